import { type Clock, deadline } from '../base/clock.ts';
import { connectHost, listenAddress } from '../pocketbase/command.ts';
import { READINESS_PATH, waitUntilReady } from '../pocketbase/probe.ts';
import { type FoundProcess, type InstanceProcess, watchExit } from '../pocketbase/process-driver.ts';
import { dataDirOf, type InstanceSpec } from './instance-spec.ts';
import type { Running } from './launch.ts';
import type { PortAllocator } from './ports.ts';

/** A process that is taken over has to answer within this time, or it is replaced. */
const ADOPT_TIMEOUT_MS = 5_000;

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

/** Takes over a process that an earlier daemon left. Null when it does not answer, or its port is somebody else's now. */
export async function takeOver(
  found: FoundProcess,
  process: InstanceProcess,
  spec: InstanceSpec,
  { clock, ports }: { clock: Clock; ports: PortAllocator },
  signal: AbortSignal,
): Promise<Running | null> {
  const port = portOf(found);
  if (port === null) return null;
  const gone = watchExit(process);
  const tooLong = deadline(clock, ADOPT_TIMEOUT_MS);
  const probe = await waitUntilReady(
    { host: connectHost(spec.host), port, path: READINESS_PATH },
    { clock, signal: AbortSignal.any([signal, gone.signal, tooLong.signal]), bootsUnderWay: 1 },
  );
  tooLong.cancel();
  if (!probe || signal.aborted || gone.exit() || !ports.reserve(spec.name, port, true)) return null;
  return { process, port, startedAt: found.startedAt, probe };
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
