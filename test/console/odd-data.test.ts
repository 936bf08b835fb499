import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { NO_TASKS } from '../../shared/task.ts';
import { stateOf } from '../../tui/screens/console.ts';
import { frameOf } from '../../tui/screens/frame/frame.ts';
import { widthOf } from '../../tui/widgets/text.ts';
import type { ConsoleHarness } from './console-harness.ts';
import {
  ago,
  auditEntry,
  failed,
  fleetOf,
  globalInstance,
  instance,
  task,
  wholeTask,
} from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';
import type { StubDaemon } from './stub-daemon.ts';

const NAME = '2026-11-21-001-odd';
const CLEAR = '\u001B[2J\u001B[1;1H\u001B]0;title\u0007\u009B31m';
// Wide, right to left with an override, joined emoji, and what a terminal would obey.
const ODD = `山田太郎 \u202Eمرحبا שלום\u202C 👩‍🚀 ${CLEAR}é \r\n end`;
const SIZES = [
  [80, 24],
  [120, 40],
  [200, 60],
] as const;

/** Every place, by the keys that lead there from anywhere, and what is there once it is drawn. */
const PLACES: readonly (readonly [keys: readonly string[], shows: string])[] = [
  [['1'], 'Problems'],
  [['2'], 'PHASE'],
  [['2', 'g', 'enter'], 'Connections'],
  [['2', 'g', 'l'], 'following'],
  [['2', 'g', 'l', 'tab'], 'LATENCY'],
  [['2', 'g', 'l', 'tab', 'tab'], 'database.stop'],
  [['2', 'g', 'l', 'tab', 'tab', 'tab'], 'documents'],
  [['2', 'g', 'd'], '"desired"'],
  [['3'], 'ATTEMPTS'],
  [['3', 'left'], 'ERROR · '],
  [['5'], 'DISK'],
  [['6'], 'OUTCOME'],
];

async function oddDaemon(): Promise<StubDaemon> {
  const stub = await daemon([
    globalInstance(),
    instance(NAME, { email: ODD, user_id: 'u_odd', restarts: 3 }),
    failed('2026-11-21-002-broken', { reason: { code: 'hook_broken', message: ODD.repeat(20) } }),
    ...fleetOf(70),
  ]);
  const dead = task('odd000000000001', {
    type: ODD,
    status: 'dead',
    user_id: 'u_odd',
    last_error: ODD.repeat(9),
    finished_at: ago(9),
  });
  stub.queue = {
    stats: { paused: true, max_running: 1, counts: { ...NO_TASKS, dead: 1 } },
    tasks: [dead, task('odd000000000002', { status: 'processing', progress: 7, progress_message: ODD })],
  };
  stub.audit = [auditEntry(1, { target: NAME, detail: ODD }), auditEntry(2, { actor: ODD, target: ODD })];
  stub.logs.set(NAME, [
    { at: ago(3), text: ODD },
    { at: ago(2), text: ODD.repeat(40) },
  ]);
  const page = { page: 1, per_page: 50 };
  const records = [{ id: 'r1', [ODD]: ODD, nested: { [ODD]: [ODD.repeat(9)] } }];
  const paths = {
    '/api/v1/events': { items: [] },
    '/api/v1/queue/dead': { items: [{ signature: ODD.repeat(9), count: 1, last: ago(9) }] },
    [`/api/v1/queue/tasks/${dead.id}`]: wholeTask(dead, { payload: { [ODD]: ODD } }),
    [`/api/v1/databases/${NAME}/metrics`]: { probes: [{ at: ago(5), ok: false, latency_ms: 9, error: ODD }] },
    [`/api/v1/databases/${NAME}/collections`]: {
      ...page,
      items: [{ name: 'documents', type: 'base', system: false, records: 1 }],
      total: 1,
    },
    [`/api/v1/databases/${NAME}/collections/documents/records`]: { ...page, items: records, total: 1 },
  };
  for (const [path, answer] of Object.entries(paths)) stub.answers.set(path, answer);
  return stub;
}

/** The header is above, the keys are below, and no row has pushed another one on. */
function expectWhole(screen: ConsoleHarness, columns: number, rows: number): void {
  const { lines } = screen;
  expect(lines).toHaveLength(rows);
  expect(lines[0]).toMatch(/^ Fathom .*● live ?$/);
  expect(lines.at(-1)).toMatch(/q quit *$/);
  expect(lines.slice(1).filter((line) => line.includes('● live'))).toEqual([]);
  expect(screen.text).not.toMatch(/[\u202A-\u202E]/);
  // The terminal would cut what is too long, but not say so.
  const frame = frameOf(screen.console, stateOf(screen.console), { columns, rows });
  expect(frame.rows.filter((row) => widthOf(stripVTControlCharacters(row)) > columns)).toEqual([]);
}

/** What does not change from one second to the next. */
function still(screen: ConsoleHarness): string {
  return screen.text.replace(/\d+/g, '#').replace(/ +/g, ' ');
}

describe('what others have written', () => {
  it.each(SIZES)('tears nothing at %i×%i, on no screen', async (columns, rows) => {
    const stub = await oddDaemon();
    const screen = open({ url: stub.url }, { columns, rows });
    await screen.shows('● live');
    for (const [keys, shows] of PLACES) {
      screen.press(...keys);
      await screen.shows(shows);
      expectWhole(screen, columns, rows);
    }
    screen.press('3');
    await screen.shows('ATTEMPTS', '1/2');
    screen.press('G', 'enter');
    await screen.shows('Payload');
    expectWhole(screen, columns, rows);
    screen.press('2', 'g', 'l', 'tab', 'tab', 'tab');
    await screen.shows('documents');
    screen.press('enter');
    await screen.shows('page 1 of 1', 'r1');
    expectWhole(screen, columns, rows);
    screen.press('enter');
    await screen.shows('"id": "r1"', '\\u001b[2J');
    expectWhole(screen, columns, rows);
  });

  it('leaves nothing behind when the terminal changes its size', async () => {
    const stub = await oddDaemon();
    const screen = open({ url: stub.url }, { columns: 200, rows: 60 });
    await screen.shows('● live');
    for (const [columns, rows] of [...SIZES, ...SIZES.toReversed()]) {
      screen.resize(columns, rows);
      for (const [keys, shows] of PLACES.slice(1, 4)) {
        screen.press(...keys);
        await screen.shows(shows);
      }
      const fresh = open({ url: stub.url }, { columns, rows });
      await fresh.shows('● live');
      fresh.press('2', 'g', 'l');
      await fresh.shows('following', 'é   end');
      await screen.until(() => still(screen) === still(fresh), still(fresh));
    }
  });
});
