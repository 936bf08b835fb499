import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import type { Logger } from '../../base/log/log.ts';
import { type InstanceSpec, lastMoveFileOf } from '../instance-spec.ts';
import { portMoves } from './port-moves.ts';

const AT = new Date('2026-01-15T10:00:00.000Z');

function instanceIn(directory: string) {
  const warnings: unknown[] = [];
  const log = { warn: (...words: unknown[]) => warnings.push(words) } as unknown as Logger;
  const owners = new Map([[9000, 'other']]);
  const moves = portMoves({ ownerOf: (port) => owners.get(port) ?? null }, log);
  return { moves, spec: { name: 'a', directory } as InstanceSpec, warnings };
}

it('names the program that uses a port, also for the next daemon', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const directory = await scratch();
  const { moves, spec } = instanceIn(directory);
  expect(moves.last(spec)).toBeNull();
  const move = moves.record(spec, port, AT);
  expect(move).toEqual({ from: port, at: AT.toISOString(), reason: textWith(port, `pid ${process.pid}`) });
  expect(instanceIn(directory).moves.last(spec)).toEqual(move);
  await writeFile(lastMoveFileOf(directory), '{"from": 1');
  expect(moves.last(spec)).toBeNull();
});

it('names the database that has the port, and continues when it cannot be recorded', () => {
  const { moves, spec, warnings } = instanceIn('/missing/directory');
  expect(moves.record(spec, 9000, AT).reason).toBe('port 9000 belongs to other');
  expect(warnings).toHaveLength(1);
});
