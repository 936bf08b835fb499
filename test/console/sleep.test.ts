import { expect, it } from 'vitest';
import { ago, fleetOf, globalInstance, instance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const IDLE = { code: 'idle', message: 'not used for 30 minutes' } as const;
const asleep = (name: string) =>
  instance(name, {
    phase: 'asleep',
    since: ago(180),
    reason: IDLE,
    pid: null,
    started_at: null,
    last_exit: { code: 0, signal: null, at: ago(180), uptime_s: 60, ended_by: 'request' },
  });

const DORA = '2026-11-21-101-dora';
const EMIL = '2026-11-21-102-emil';
const WAKES = {
  last_hour: 34,
  slowest: [
    { database: DORA, at: ago(600), by: 'sign_in', duration_ms: 187.4 },
    { database: '2026-11-21-001-user001', at: ago(900), by: 'connection', duration_ms: 41 },
  ],
} as const;

function sleepingFleet() {
  return daemon([globalInstance(), ...fleetOf(3), asleep(DORA), asleep(EMIL)]);
}

it('counts databases that sleep, and shows no problem, at 80×24', async () => {
  const stub = await sleepingFleet();
  stub.status = { wakes: { last_hour: WAKES.last_hour, slowest: [...WAKES.slowest] } };
  const screen = open({ url: stub.url });
  await screen.shows('● live', '5 databases', '✓ No problems.', 'wakes/h');
  expect(screen.line('Fleet')).toContain('● 3 running  ◦ 2 asleep  34 wakes/h, slowest 187 ms');
  expect(screen.lines.every((line) => line.length <= 80)).toBe(true);
  screen.press('2');
  await screen.shows('6 instances', '◦ 2 asleep', /◦ 2026-11-21-101-dora +asleep for 3 m · not used/);
  screen.press('!');
  await screen.hides('dora');
});

it('puts instances to sleep and wakes them, several after a question', async () => {
  const stub = await sleepingFleet();
  const screen = open({ url: stub.url });
  await screen.shows('● live');
  screen.press('2', '/', 'user001', 'enter', 'z');
  await screen.shows('✓ put to sleep 2026-11-21-001-user001');
  screen.press('esc', '/', 'dora', 'enter', 'Z');
  await screen.shows(`✓ woke ${DORA}`);
  const posts = () => stub.requests.filter((request) => request.startsWith('POST'));
  expect(posts()).toEqual([
    'POST /api/v1/databases/2026-11-21-001-user001/sleep',
    `POST /api/v1/databases/${DORA}/wake`,
  ]);
  screen.press('esc', '*', 'z');
  await screen.shows('sleep 5 instances', 'y sleep');
  screen.press('y');
  await screen.shows('✓ put to sleep 5 instances');
  expect(posts()).toHaveLength(7);
});

it('says why an instance cannot sleep now', async () => {
  const stub = await sleepingFleet();
  stub.onAction = async () => '2026-11-21-001-user001 has open connections and cannot sleep now';
  const screen = open({ url: stub.url });
  await screen.shows('● live');
  screen.press('2', '/', 'user001', 'enter', 'z');
  await screen.shows('✗ sleep 2026-11-21-001-user001 failed: it has open connections');
});

it('lists the slowest wakes of the last hour, and opens their databases', async () => {
  const stub = await sleepingFleet();
  stub.status = { wakes: { last_hour: WAKES.last_hour, slowest: [...WAKES.slowest] } };
  const screen = open({ url: stub.url });
  await screen.shows('● live', 'wakes/h');
  screen.press('9', 'tab', 'tab');
  await screen.shows(
    '34 wakes in the last hour',
    /187 ms 2026-11-21-101-dora +a sign-in/,
    /41 ms .*user001 +a request/,
  );
  expect(screen.lines.every((line) => line.length <= 80)).toBe(true);
  screen.press('enter');
  await screen.shows('Summary', `asleep for`, 'dora@example.com');
});

it('shows what woke a database, without the steps in between', async () => {
  const stub = await sleepingFleet();
  const screen = open({ url: stub.url }, { columns: 120 });
  await screen.shows('● live');
  screen.press('6', 'tab');
  await screen.shows('Fleet');
  stub.enter(DORA, 'waking', { reason: null });
  stub.publish({ kind: 'instance.wake', name: DORA, by: 'task', at: new Date().toISOString() });
  stub.enter(DORA, 'running', { pid: 4711 });
  stub.enter('2026-11-21-001-user001', 'stopping', { reason: IDLE });
  stub.enter('2026-11-21-001-user001', 'asleep', { pid: null, reason: IDLE });
  await screen.shows(/wake +2026-11-21-101-dora .*woken by a task/, 'waking → running', 'stopping → asleep');
  expect(screen.lines.join('\n')).not.toMatch(/asleep → waking|running → stopping/);
});
