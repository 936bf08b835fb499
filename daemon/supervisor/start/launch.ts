import { existsSync } from 'node:fs';
import type { PhaseReason, Probe } from '../../../shared/api/instances.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { connectHost } from '../../../shared/host.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Semaphore } from '../../base/semaphore.ts';
import { type Clock, deadline } from '../../base/time/clock.ts';
import { isVerified } from '../../pocketbase/binary/binaries.ts';
import type { Binary } from '../../pocketbase/binary/binary.ts';
import { accessDenied } from '../../pocketbase/data/data-state.ts';
import { OlderVersion } from '../../pocketbase/data/last-version.ts';
import { UnsafeDatabase } from '../../pocketbase/data/schema-check.ts';
import type { InstanceCommand } from '../../pocketbase/process/command.ts';
import { exitReason } from '../../pocketbase/process/exit-reason.ts';
import type { HoldResult } from '../../pocketbase/process/keeper/keeper-protocol.ts';
import { type Prober, READINESS_PATH, waitUntilReady } from '../../pocketbase/process/probe.ts';
import {
  type InstanceProcess,
  type ProcessDriver,
  type ProcessExit,
  watchExit,
} from '../../pocketbase/process/process-driver.ts';
import type { InstanceFiles } from '../instance-files.ts';
import { hooksDirOf, prepareHooks, removeOldHooks } from '../instance-hooks.ts';
import { endOfLog, lastLines } from '../instance-logs.ts';
import { dataDirOf, type InstanceSpec, lockFileOf, StartRefused } from '../instance-spec.ts';
import type { PortAllocator } from './ports.ts';
import { endProcess } from './terminate.ts';

/** The timeout of a start, which includes the migrations of a large database. */
const START_TIMEOUT_MS = 120_000;
/** The number of ports to try when another process takes a port between its check and the start. */
const MAX_PORTS = 5;
const OUT_OF_FILES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE']);

export interface Running {
  process: InstanceProcess;
  /** Its PocketBase; null when it cannot be read. The version is null for an unknown executable. */
  binary: { version: string | null; sha256: string } | null;
  port: number;
  startedAt: Date;
  probe: Probe;
  /** Why some requests fail although it runs; null without a problem. */
  limitation: PhaseReason | null;
}

export type LaunchOutcome =
  /** `database` is the identity of the file that it was started on; null when it is unknown. */
  | { kind: 'running'; running: Running; database: string | null }
  | { kind: 'failed'; reason: PhaseReason; exit: ProcessExit | null; endedBy: 'fathomd' | null }
  /** The signal aborted. The process, if there is one, still runs. */
  | { kind: 'interrupted'; process: InstanceProcess | null };

export interface LaunchDeps {
  driver: ProcessDriver;
  ports: PortAllocator;
  probe: Prober;
  clock: Clock;
  /** Limits the number of concurrent starts. */
  starts: Semaphore;
  files: InstanceFiles;
  log: Logger;
}

/** `logStart` is the position in the log at which its lines begin. */
export type OnSpawn = (process: InstanceProcess, at: { port: number; logStart: number }) => void;

/**
 * Starts one process and waits for its first successful probe. Calls `onSpawn` for each new process.
 *
 * @param plan.prepared the stamp of a database file whose settings and migrations are already up to date; null without one
 * @param plan.wasMissing its files were missing at the last attempt, so they may be copied into place right now
 */
export async function launch(
  spec: InstanceSpec,
  {
    lastPort,
    prepared,
    wasMissing,
  }: { lastPort: number | null; prepared: string | null; wasMissing: boolean },
  deps: LaunchDeps,
  signal: AbortSignal,
  onSpawn: OnSpawn,
): Promise<LaunchOutcome> {
  let logStart: number;
  let database: string | null;
  let migrate: boolean;
  let limitation: PhaseReason | null = null;
  try {
    const away = await spec.bringBack(signal);
    if (signal.aborted) return { kind: 'interrupted', process: null };
    if (away) return failed(away);
    const [problem, size] = await Promise.all([deps.files.startProblem(spec), prepareLog(spec, deps.log)]);
    if (problem) return failed(problem);
    const incomplete = wasMissing ? deps.files.incompleteReason(spec) : null;
    if (incomplete) return failed(incomplete);
    logStart = size;
    const file = deps.files.database(spec);
    database = file?.identity ?? null;
    migrate = file === null || file.stamp !== prepared;
    if (migrate) {
      limitation = await spec.prepare(signal);
      if (signal.aborted) return { kind: 'interrupted', process: null };
      // The output of migrations is not a reason for the exit of the process that starts now.
      logStart = await endOfLog(spec.log);
    }
  } catch (error) {
    return failed(await startFailure(spec, deps.files, error));
  }

  const taken = new Set<number>();
  for (let attempt = 1; ; attempt += 1) {
    let port: number;
    try {
      port = await choosePort(spec, lastPort, deps.ports, taken);
    } catch (error) {
      if (!(error instanceof FathomError)) return failed(spawnFailure(error));
      return failed({
        code: 'fixed' in spec.port ? 'port_in_use' : 'ports_exhausted',
        message: error.message,
      });
    }
    // Stored before the process listens: a row that names the port keeps others from it, also after a crash of the daemon.
    if (!(await spec.savePort(port))) {
      deps.ports.cancel(spec.name, port);
      taken.add(port);
      continue;
    }
    if (signal.aborted) return { kind: 'interrupted', process: null };
    const outcome = await launchOn(
      { port, logStart, database, migrate, limitation },
      spec,
      deps,
      signal,
      onSpawn,
    );
    const canRetry = 'preferred' in spec.port && attempt < MAX_PORTS;
    if (outcome.kind !== 'failed' || outcome.reason.code !== 'port_in_use' || !canRetry) return outcome;
    taken.add(port);
  }
}

/** Prepares the log and returns its end. Best effort: a failure does not block the start. */
async function prepareLog(spec: InstanceSpec, log: Logger): Promise<number> {
  try {
    return await spec.log.prepare();
  } catch (error) {
    // Without file descriptors, the start would fail too.
    if (OUT_OF_FILES.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    log.warn({ instance: spec.name }, `cannot prepare the log: ${messageOf(error)}`);
    return 0;
  }
}

async function choosePort(
  spec: InstanceSpec,
  lastPort: number | null,
  ports: PortAllocator,
  taken: ReadonlySet<number>,
): Promise<number> {
  if ('fixed' in spec.port) return ports.claimFixed(spec.name, spec.port.fixed);
  const isUsable = lastPort !== null && ports.isInRange(lastPort);
  return ports.claim(spec.name, isUsable ? lastPort : spec.port.preferred, taken);
}

async function launchOn(
  {
    port,
    logStart,
    database,
    migrate,
    limitation,
  }: {
    port: number;
    logStart: number;
    database: string | null;
    migrate: boolean;
    limitation: PhaseReason | null;
  },
  spec: InstanceSpec,
  deps: LaunchDeps,
  signal: AbortSignal,
  onSpawn: OnSpawn,
): Promise<LaunchOutcome> {
  const { driver, probe: sendProbe, clock, starts, log } = deps;
  let process: InstanceProcess;
  let binary: Binary;
  const startedAt = clock.now();
  try {
    await prepareHooks(spec);
    await removeOldHooks(spec);
    if (spec.hooksDir !== null && !existsSync(spec.hooksDir)) return failed(hooksGone(spec.hooksDir));
    // It was pinned to another version in the meantime.
    const problem = isVerified(spec.binary) ? null : await spec.binaryProblem();
    if (problem) return failed(problem);
    ({ binary } = spec);
    process = await driver.spawn(commandOf(spec, port, { migrate }));
  } catch (error) {
    return failed(await startFailure(spec, deps.files, error));
  }
  if (process.logProblem) {
    log.warn(
      { instance: spec.name },
      `the instance runs without a log: ${spec.log.path} cannot be opened: ${process.logProblem}; fix that, then restart the instance`,
    );
  }
  if (process.cgroupProblem) {
    log.warn({ instance: spec.name }, `the instance runs without a cgroup: ${process.cgroupProblem}`);
  }
  onSpawn(process, { port, logStart });

  const exitWatch = watchExit(process);
  const timeout = deadline(clock, START_TIMEOUT_MS);
  const target = { host: connectHost(spec.host), port, path: READINESS_PATH };
  const ended = AbortSignal.any([signal, exitWatch.signal, timeout.signal]);
  let probe: Probe | null;
  do {
    probe = await waitUntilReady(target, {
      probe: sendProbe,
      clock,
      signal: ended,
      concurrentStarts: Math.max(1, starts.held),
    });
    // The response may come from another process that took the port just before.
  } while (probe && !exitWatch.exit() && !(await process.mayListen()));
  timeout.cancel();
  const exit = exitWatch.exit();
  if (probe && !exit)
    return { kind: 'running', running: { process, binary, port, startedAt, probe, limitation }, database };
  if (exit) return failed(exitReason(exit, await lastLines(spec.log, logStart), spec), exit);
  if (signal.aborted) return { kind: 'interrupted', process };
  const end = await endProcess(process, spec.directory, deps, { graceMs: 0, stopSaving: signal });
  if (!end) return { kind: 'interrupted', process };
  return {
    kind: 'failed',
    reason: {
      code: 'start_timeout',
      message: `no response within ${START_TIMEOUT_MS / 1000} s of the start; see the log`,
      log_tail: await lastLines(spec.log, logStart),
    },
    exit: end.exit,
    endedBy: 'fathomd',
  };
}

/** How to start the process of an instance now. */
export function commandOf(
  spec: InstanceSpec,
  port: number,
  { migrate }: { migrate: boolean },
): InstanceCommand {
  return {
    name: spec.name,
    binary: spec.binary.path,
    dataDir: dataDirOf(spec.directory),
    lockFile: lockFileOf(spec.directory),
    logFile: spec.log.path,
    host: spec.host,
    port,
    migrationsDir: migrate ? spec.migrationsDir : null,
    hooksDir: hooksDirOf(spec),
    publicDir: spec.publicDir,
    hooksPool: spec.hooksPool,
    environment: spec.environment,
    kind: spec.kind,
    memoryBytes: spec.limits().memory_bytes,
    connectPorts: spec.connectPorts(),
  };
}

/** See `PortHolder.sleep`. A process from an executable that is not verified would be started without a check. */
export function sleepOnPort(
  spec: InstanceSpec,
  {
    port,
    process,
    closeQuiet,
  }: { port: number; process: InstanceProcess | null; closeQuiet?: boolean | undefined },
  driver: ProcessDriver,
): Promise<HoldResult> {
  if (!isVerified(spec.binary)) return Promise.resolve('unsupported');
  return driver.sleep(commandOf(spec, port, { migrate: false }), process, closeQuiet);
}

function failed(reason: PhaseReason, exit: ProcessExit | null = null): LaunchOutcome {
  return { kind: 'failed', reason, exit, endedBy: null };
}

/** PocketBase would start without them. */
function hooksGone(hooksDir: string): PhaseReason {
  return {
    code: 'app_missing',
    message: `it does not start without its hooks, and ${hooksDir} is gone; the next start writes it again`,
  };
}

/** Missing files and a full disk have many errors, for example 'disk I/O error' of SQLite. */
async function startFailure(spec: InstanceSpec, files: InstanceFiles, error: unknown): Promise<PhaseReason> {
  const problem = await files.startProblem(spec).catch(() => null);
  return problem ?? (await files.writeProblem(spec)) ?? spawnFailure(error);
}

function spawnFailure(error: unknown): PhaseReason {
  if (error instanceof StartRefused) return error.reason;
  if (error instanceof OlderVersion) return { code: 'version_refused', message: error.message };
  if (error instanceof UnsafeDatabase) return { code: 'database_corrupt', message: error.message };
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return {
        code: 'disk_full',
        message: 'the disk is full; free some space, the instance then starts by itself',
      };
    case 'EROFS':
      return {
        code: 'read_only',
        message:
          "the file system is read-only; find the cause with 'dmesg', then run 'mount -o remount,rw' on it; the instance then starts by itself",
      };
    case 'EMFILE':
    case 'ENFILE':
      return {
        code: 'out_of_files',
        message:
          'the daemon has no file descriptors left; raise its LimitNOFILE, the instance then starts by itself',
      };
    case 'EACCES':
    case 'EPERM':
      return accessDenied((error as NodeJS.ErrnoException).path ?? 'a file of the instance');
    case undefined:
    default:
      return { code: 'spawn_failed', message: `cannot start the process: ${messageOf(error)}` };
  }
}
