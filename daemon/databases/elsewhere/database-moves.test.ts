import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { silentLog } from '../../../test/helpers/silent-log.ts';
import type { CatalogEntry } from '../catalog.ts';
import { DatabaseMoves } from './database-moves.ts';

const NAME = '2026-01-15-001-ann';
const SOURCE = `HOST/${NAME}/e1`;

async function createStage() {
  const directory = await scratch();
  await mkdir(join(directory, 'pb_data'));
  new DatabaseSync(join(directory, 'pb_data', 'data.db')).close();
  const events: string[] = [];
  const state = { phase: 'running' };
  const runner = {
    spec: { directory },
    state,
    maintenance: null,
    stop: () => events.push('stop'),
    maintain(work: (signal: AbortSignal) => Promise<void>) {
      events.push('end of the process');
      return work(new AbortController().signal);
    },
  };
  const entry = { row: { name: NAME, state: 'ready' }, runner, rollout: null } as unknown as CatalogEntry;
  const complete: { source: string | null } = { source: SOURCE };
  const restoring = new Set<string>();
  const moves = new DatabaseMoves({
    catalog: { get: () => entry, archived: { find: () => null } as never },
    handovers: {
      sourceOf: () => complete.source,
      requireTarget: async () => {},
      handOver: async ({ source, to }) => void events.push(`${source} to ${to}`),
    },
    replicas: { of: async (name) => `HOST/${name}/e1` },
    isRestoring: (name) => restoring.has(name),
    storeFiles: async () => void events.push('files stored'),
    log: silentLog,
  });
  return { moves, events, restoring, complete, state };
}

it('does not end a database into which a backup is restored', async () => {
  const { moves, events, restoring } = await createStage();
  restoring.add(NAME);
  await expect(moves.move(NAME, 'n2')).rejects.toMatchObject({ code: 'conflict' });
  expect(events).toEqual([]);
  restoring.clear();
  await moves.move(NAME, 'n2');
  expect(events).toEqual(['files stored', 'end of the process', 'files stored', `${SOURCE} to n2`, 'stop']);
});

it('does not end a database that runs, without a complete replica', async () => {
  const { moves, events, complete } = await createStage();
  for (const source of [null, 'HOST/former/e0']) {
    complete.source = source;
    await expect(moves.move(NAME, 'n2')).rejects.toMatchObject({ code: 'conflict' });
  }
  expect(events).toEqual([]);
});

it('moves a stopped database by the replica of its former owner', async () => {
  const { moves, events, complete, state } = await createStage();
  state.phase = 'stopped';
  complete.source = null;
  await expect(moves.move(NAME, 'n2')).rejects.toMatchObject({ code: 'conflict' });
  complete.source = 'HOST/former/e0';
  await moves.move(NAME, 'n2');
  expect(events).toContain('HOST/former/e0 to n2');
});
