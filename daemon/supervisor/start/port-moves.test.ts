import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import type { Logger } from '../../base/log/log.ts';
import { PortMoves } from './port-moves.ts';

const AT = new Date('2026-01-15T10:00:00.000Z');
const OTHERS = { from: 9000, at: AT.toISOString(), reason: 'port 9000 belongs to other' };

function movesIn(directory: string) {
  const warnings: unknown[] = [];
  const log = { warn: (...words: unknown[]) => warnings.push(words) } as unknown as Logger;
  const owners = new Map([[9000, 'other']]);
  const places = { dataDir: directory, userDatabasesDir: join(directory, 'user_dbs') };
  const moves = new PortMoves(places, { ownerOf: (port) => owners.get(port) ?? null }, log);
  return { moves, warnings };
}

it('names the program that uses a port, also for the next daemon', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const directory = await scratch();
  const { moves } = movesIn(directory);
  expect(moves.last('a')).toBeNull();
  const move = moves.record({ name: 'a' }, port, AT);
  expect(move).toEqual({ from: port, at: AT.toISOString(), reason: textWith(port, `pid ${process.pid}`) });
  expect(moves.last('a')).toEqual(move);
  expect(movesIn(directory).moves.last('a')).toEqual(move);
});

it('keeps the last move of each, and forgets those of deleted ones', async () => {
  const directory = await scratch();
  const { moves } = movesIn(directory);
  for (const name of ['a', 'b', 'a']) moves.record({ name }, 9000, AT);
  moves.forget('b');
  moves.forget('never-moved');
  // A daemon that was killed while it wrote a line.
  await appendFile(join(directory, 'moved-ports'), '{"name":"a","mo');
  const { moves: later } = movesIn(directory);
  expect([later.last('a'), later.last('b')]).toEqual([OTHERS, null]);
  expect((await readFile(join(directory, 'moved-ports'), 'utf8')).split('\n')).toHaveLength(2);
});

it('takes the files of an earlier release', async () => {
  const directory = await scratch();
  for (const [name, text] of [
    ['a', JSON.stringify(OTHERS)],
    ['b', '{"from": 1'],
  ] as const) {
    await mkdir(join(directory, 'user_dbs', name), { recursive: true });
    await writeFile(join(directory, 'user_dbs', name, 'last-move.json'), text);
  }
  const { moves, warnings } = movesIn(directory);
  expect([moves.last('a'), moves.last('b'), warnings]).toEqual([OTHERS, null, []]);
  expect(await readdir(join(directory, 'user_dbs', 'a'))).toEqual([]);
  expect(movesIn(directory).moves.last('a')).toEqual(OTHERS);
});

it('continues when a move cannot be recorded', () => {
  const { moves, warnings } = movesIn('/missing/directory');
  expect(moves.record({ name: 'a' }, 9000, AT)).toEqual(OTHERS);
  expect(warnings).not.toEqual([]);
});
