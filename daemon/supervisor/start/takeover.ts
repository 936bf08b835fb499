import { basename } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { connectHost, hostAndPort } from '../../../shared/host.ts';
import type { Logger } from '../../base/log/log.ts';
import { type Clock, deadline } from '../../base/time/clock.ts';
import { isVerified } from '../../pocketbase/binary/binaries.ts';
import { NO_DIRECTORY } from '../../pocketbase/process/command.ts';
import { type Prober, READINESS_PATH, waitUntilReady } from '../../pocketbase/process/probe.ts';
import {
  type FoundProcess,
  type InstanceProcess,
  type ProcessDriver,
  watchExit,
} from '../../pocketbase/process/process-driver.ts';
import { GLOBAL_NAME } from '../global-instance.ts';
import { hasOtherHooks } from '../instance-hooks.ts';
import { dataDirOf, type InstanceSpec } from '../instance-spec.ts';
import type { Running } from './launch.ts';
import type { PortAllocator } from './ports.ts';

/** A process that does not respond within this time is replaced. */
const ADOPT_TIMEOUT_MS = 5_000;
/** For files that must be saved before a process ends. */
const SAVE_TIMEOUT_MS = 10_000;

/**
 * Why a process of an earlier daemon cannot continue as this instance; null when it can. It needs the same data and address.
 * The global instance, which serves this daemon, also needs the same executable, hooks and settings.
 */
export function adoptionProblem(found: FoundProcess, spec: InstanceSpec): string | null {
  if (found.sha256 === null) return `it runs ${found.executable ?? 'an unknown executable'}`;
  if (found.dataDir !== dataDirOf(spec.directory))
    return `its data directory is ${found.dataDir ?? 'unknown'}`;
  const port = portOf(found);
  if (port === null || found.address !== hostAndPort(spec.host, port)) {
    return `it listens on ${found.address ?? 'an unknown address'}`;
  }
  if ('fixed' in spec.port && spec.port.fixed !== port) return `it listens on port ${port}`;
  return spec.kind === 'global' ? globalAdoptionProblem(found, spec) : null;
}

/**
 * Whether a process should be restarted later: it has other keys or settings, an executable with other content, or other
 * hooks. Without a verified executable, a restart would only end it.
 */
export function isOutdated(found: FoundProcess, spec: InstanceSpec): boolean {
  if (!isVerified(spec.binary)) return false;
  return (
    found.sha256 !== spec.binary.sha256 ||
    changedVariables(found, spec).length > 0 ||
    hasOtherHooks(found.hooksDir, spec) ||
    hasOtherPublicFiles(found, spec)
  );
}

function hasOtherPublicFiles({ publicDir: served }: FoundProcess, { publicDir }: InstanceSpec): boolean {
  return publicDir === null ? served !== null && basename(served) !== NO_DIRECTORY : served !== publicDir;
}

/** The names of variables that differ. The values are secrets. */
function changedVariables(found: FoundProcess, spec: InstanceSpec): string[] {
  return Object.entries(spec.environment).flatMap(([name, value]) =>
    found.environment.get(name) === value ? [] : [name],
  );
}

function globalAdoptionProblem(found: FoundProcess, spec: InstanceSpec): string | null {
  if (found.sha256 !== spec.binary.sha256) return `it runs ${found.executable ?? 'an unknown executable'}`;
  if (found.hooksDir !== spec.hooksDir) return `its hooks are those in ${found.hooksDir ?? 'no directory'}`;
  const changed = changedVariables(found, spec);
  return changed.length > 0 ? `it was started with another ${changed.join(', ')}` : null;
}

/** Takes over a process of an earlier daemon. Null when it does not respond, or does not listen itself. */
export async function takeOver(
  found: FoundProcess,
  process: InstanceProcess,
  spec: InstanceSpec,
  {
    driver,
    probe: sendProbe,
    clock,
    ports,
  }: { driver: ProcessDriver; probe: Prober; clock: Clock; ports: PortAllocator },
  signal: AbortSignal,
): Promise<Running | null> {
  const port = portOf(found);
  if (port === null) return null;
  const exitWatch = watchExit(process);
  const timeout = deadline(clock, ADOPT_TIMEOUT_MS);
  const probe = await waitUntilReady(
    { host: connectHost(spec.host), port, path: READINESS_PATH },
    {
      probe: sendProbe,
      clock,
      signal: AbortSignal.any([signal, exitWatch.signal, timeout.signal]),
      concurrentStarts: 1,
    },
  );
  timeout.cancel();
  if (!probe || signal.aborted || exitWatch.exit() || !(await process.mayListen())) return null;
  ports.adopt(spec.name, port);
  await driver.take(process, port);
  const { sha256, startedAt } = found;
  const binary = sha256 === null ? null : { version: spec.versionOf(sha256), sha256 };
  return { process, binary, port, startedAt, probe, limitation: null };
}

/** Finds a process of this instance that locks its data and can be taken over. */
export async function findHolder(driver: ProcessDriver, spec: InstanceSpec): Promise<FoundProcess | null> {
  const processes = await driver.find();
  const isOwn = (found: FoundProcess) =>
    found.instance === spec.name && adoptionProblem(found, spec) === null;
  return processes.find(isOwn) ?? null;
}

/** The port in the arguments of a process. */
export function portOf(found: FoundProcess): number | null {
  const port = Number(found.address?.split(':').at(-1));
  return Number.isInteger(port) && port > 0 ? port : null;
}

/** Groups processes by instance, oldest first: the oldest process of an instance holds its lock. */
export function groupByInstance(found: readonly FoundProcess[]): Map<string, FoundProcess[]> {
  return Map.groupBy(
    found.toSorted((a, b) => a.startTime - b.startTime),
    ({ instance }) => instance,
  );
}

/** Ends processes of an earlier daemon. The global one is last, because the others report to it. Never rejects. */
export async function endEarlier(
  found: readonly FoundProcess[],
  {
    fleet,
    log,
  }: { fleet: { endFound(found: FoundProcess, stopSaving: AbortSignal): Promise<void> }; log: Logger },
): Promise<void> {
  const stopSaving = AbortSignal.timeout(SAVE_TIMEOUT_MS);
  const { global = [], users = [] } = Object.groupBy(found, ({ instance }) =>
    instance === GLOBAL_NAME ? 'global' : 'users',
  );
  for (const processes of [users, global])
    await Promise.all(
      processes.map((process) =>
        fleet.endFound(process, stopSaving).catch((error: unknown) => {
          log.error({ err: error, instance: process.instance }, `it runs on: ${messageOf(error)}`);
        }),
      ),
    );
}
