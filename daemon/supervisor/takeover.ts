import { listenAddress } from '../pocketbase/command.ts';
import type { FoundProcess } from '../pocketbase/process-driver.ts';
import { dataDirOf, type InstanceSpec } from './instance-spec.ts';

/**
 * Whether a process that an earlier daemon left running is the one this instance would be started as: same
 * executable, same data, same address. Null when it may be taken over, else why not.
 */
export function whyNotAdopt(found: FoundProcess, spec: InstanceSpec): string | null {
  if (found.executable !== spec.binary.path) return `it runs ${found.executable ?? 'an unknown executable'}`;
  if (found.dataDir !== dataDirOf(spec.directory))
    return `its data directory is ${found.dataDir ?? 'unknown'}`;
  const port = portOf(found);
  if (port === null || found.address !== listenAddress(spec.host, port)) {
    return `it listens on ${found.address ?? 'an unknown address'}`;
  }
  if ('fixed' in spec.port && spec.port.fixed !== port) return `it listens on port ${port}`;
  return null;
}

/** The port that a process was told to listen on. */
export function portOf(found: FoundProcess): number | null {
  const port = Number(found.address?.split(':').at(-1));
  return Number.isInteger(port) && port > 0 ? port : null;
}

/** Sorts what was found by instance; of two for one instance the older one, which holds the lock, is kept. */
export function byInstance(found: readonly FoundProcess[]): Map<string, FoundProcess[]> {
  const sorted = new Map<string, FoundProcess[]>();
  for (const process of found.toSorted((a, b) => a.startTime - b.startTime)) {
    sorted.set(process.instance, [...(sorted.get(process.instance) ?? []), process]);
  }
  return sorted;
}
