import { connectHost, hostAndPort } from '../../../shared/host.ts';
import { type Clock, deadline } from '../../base/time/clock.ts';
import { type Prober, READINESS_PATH, waitUntilReady } from '../../pocketbase/process/probe.ts';
import {
  type FoundProcess,
  type InstanceProcess,
  type ProcessDriver,
  watchExit,
} from '../../pocketbase/process/process-driver.ts';
import { dataDirOf, type InstanceSpec } from '../instance-spec.ts';
import type { Running } from './launch.ts';
import type { PortAllocator } from './ports.ts';

/** A process that is taken over has to answer within this time, or it is replaced. */
const ADOPT_TIMEOUT_MS = 5_000;

/**
 * Whether a process that an earlier daemon left running may go on as this instance: same data, same address, and for the
 * global one, which serves this daemon, same executable, hooks and settings. Null when it may, else why not.
 */
export function whyNotAdopt(found: FoundProcess, spec: InstanceSpec): string | null {
  if (found.sha256 === null) return `it runs ${found.executable ?? 'an unknown executable'}`;
  if (found.dataDir !== dataDirOf(spec.directory))
    return `its data directory is ${found.dataDir ?? 'unknown'}`;
  const port = portOf(found);
  if (port === null || found.address !== hostAndPort(spec.host, port)) {
    return `it listens on ${found.address ?? 'an unknown address'}`;
  }
  if ('fixed' in spec.port && spec.port.fixed !== port) return `it listens on port ${port}`;
  return spec.kind === 'global' ? whyNotServing(found, spec) : null;
}

/** Sooner or later to be started anew: other keys and settings, or another executable, by content; where that lies says nothing. */
export function isOutdated(found: FoundProcess, spec: InstanceSpec): boolean {
  return found.sha256 !== spec.binary.sha256 || changedVariables(found, spec).length > 0;
}

/** Names only: the values are secrets. */
function changedVariables(found: FoundProcess, spec: InstanceSpec): string[] {
  return Object.entries(spec.environment).flatMap(([name, value]) =>
    found.environment.get(name) === value ? [] : [name],
  );
}

function whyNotServing(found: FoundProcess, spec: InstanceSpec): string | null {
  if (found.sha256 !== spec.binary.sha256) return `it runs ${found.executable ?? 'an unknown executable'}`;
  if (found.hooksDir !== spec.hooksDir) return `its hooks are those in ${found.hooksDir ?? 'no directory'}`;
  const changed = changedVariables(found, spec);
  return changed.length > 0 ? `it was started with another ${changed.join(', ')}` : null;
}

/** Takes over a process that an earlier daemon left. Null when it does not answer, or its port is somebody else's now. */
export async function takeOver(
  found: FoundProcess,
  process: InstanceProcess,
  spec: InstanceSpec,
  { probe: look, clock, ports }: { probe: Prober; clock: Clock; ports: PortAllocator },
  signal: AbortSignal,
): Promise<Running | null> {
  const port = portOf(found);
  if (port === null) return null;
  const gone = watchExit(process);
  const tooLong = deadline(clock, ADOPT_TIMEOUT_MS);
  const probe = await waitUntilReady(
    { host: connectHost(spec.host), port, path: READINESS_PATH },
    {
      probe: look,
      clock,
      signal: AbortSignal.any([signal, gone.signal, tooLong.signal]),
      concurrentStarts: 1,
    },
  );
  tooLong.cancel();
  if (!probe || signal.aborted || gone.exit() || !ports.reserve(spec.name, port, true)) return null;
  return { process, port, startedAt: found.startedAt, probe, limitation: null };
}

/** The process that runs on the data of an instance, should it be one of its own. */
export async function findHolder(driver: ProcessDriver, spec: InstanceSpec): Promise<FoundProcess | null> {
  const processes = await driver.find();
  const isOurs = (it: FoundProcess) => it.instance === spec.name && whyNotAdopt(it, spec) === null;
  return processes.find(isOurs) ?? null;
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
