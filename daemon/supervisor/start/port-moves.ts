import { readFileSync, writeFileSync } from 'node:fs';
import type { PortMove } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import { findListener } from '../../pocketbase/process/procfs.ts';
import { type InstanceSpec, lastMoveFileOf } from '../instance-spec.ts';
import type { PortAllocator } from './ports.ts';

/** The last move of each instance to another port, also those before this daemon. */
export interface PortMoves {
  /** Null when it has always had its port, as far as is known. */
  last(spec: InstanceSpec): PortMove | null;
  /** Records that an instance could not use a port, and why. */
  record(spec: InstanceSpec, from: number, at: Date): PortMove;
}

/** Keeps the last move in a file beside the data. */
export function portMoves(ports: Pick<PortAllocator, 'ownerOf'>, log: Logger): PortMoves {
  return {
    last: ({ directory }) => readMove(lastMoveFileOf(directory)),
    record(spec, from, at) {
      const move = { from, at: at.toISOString(), reason: whyMoved(spec, from, ports) };
      try {
        writeFileSync(lastMoveFileOf(spec.directory), JSON.stringify(move), { mode: 0o600 });
      } catch (error) {
        // The next daemon does not show it.
        log.warn({ instance: spec.name }, `cannot record the move to another port: ${messageOf(error)}`);
      }
      return move;
    },
  };
}

function whyMoved({ name }: InstanceSpec, from: number, ports: Pick<PortAllocator, 'ownerOf'>): string {
  const owner = ports.ownerOf(from);
  if (owner !== null && owner !== name) return `port ${from} belongs to ${owner}`;
  const listener = findListener(from);
  if (listener === null) return `another program or an outgoing connection of this host used port ${from}`;
  return `port ${from} is in use by ${listener.name} (pid ${listener.pid})`;
}

function readMove(path: string): PortMove | null {
  try {
    const { from, at, reason } = JSON.parse(readFileSync(path, 'utf8')) as Partial<PortMove>;
    if (typeof from !== 'number' || typeof at !== 'string' || typeof reason !== 'string') return null;
    return Number.isNaN(Date.parse(at)) ? null : { from, at, reason };
  } catch {
    // Most instances have none.
    return null;
  }
}
