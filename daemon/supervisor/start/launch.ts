import type { PhaseReason, Probe } from '../../../shared/api/instances.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { connectHost } from '../../../shared/host.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Semaphore } from '../../base/semaphore.ts';
import { type Clock, deadline } from '../../base/time/clock.ts';
import { accessDenied } from '../../pocketbase/data/data-state.ts';
import { exitReason } from '../../pocketbase/process/exit-reason.ts';
import { type Prober, READINESS_PATH, waitUntilReady } from '../../pocketbase/process/probe.ts';
import {
  type InstanceProcess,
  type ProcessDriver,
  type ProcessExit,
  watchExit,
} from '../../pocketbase/process/process-driver.ts';
import type { InstanceFiles } from '../instance-files.ts';
import { dataDirOf, type InstanceSpec, lockFileOf } from '../instance-spec.ts';
import { endOfLog, lastLines } from './last-lines.ts';
import type { PortAllocator } from './ports.ts';
import { endProcess } from './terminate.ts';

/** A start that has not answered by then is ended: migrations of a large database fit in well. */
const START_TIMEOUT_MS = 120_000;
/** How many ports are tried before a start counts as failed, each found taken only when listening. */
const PORT_TRIES = 5;
const OUT_OF_FILES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE']);

export interface Running {
  process: InstanceProcess;
  port: number;
  startedAt: Date;
  probe: Probe;
  /** What does not work though it runs; null when all does. */
  limitation: PhaseReason | null;
}

export type LaunchOutcome =
  /** `database` is the file that it was started on; null where that is not known. */
  | { kind: 'running'; running: Running; database: string | null }
  | { kind: 'failed'; reason: PhaseReason; exit: ProcessExit | null; endedBy: 'fathomd' | null }
  /** The signal aborted; the process, if there is one, still runs. */
  | { kind: 'interrupted'; process: InstanceProcess | null };

export interface LaunchDeps {
  driver: ProcessDriver;
  ports: PortAllocator;
  probe: Prober;
  clock: Clock;
  /** Bounds how many instances start at once. */
  starts: Semaphore;
  files: InstanceFiles;
  log: Logger;
}

/** `logStart` is the position in its log where its lines begin. */
export type OnSpawn = (process: InstanceProcess, at: { port: number; logStart: number }) => void;

/**
 * Starts one process and waits for its first good answer. Calls `onSpawn` when there is a pid.
 *
 * @param plan.prepared the stamp of a database file that has its settings and migrations already; null when none has
 */
export async function launch(
  spec: InstanceSpec,
  { lastPort, prepared }: { lastPort: number | null; prepared: string | null },
  deps: LaunchDeps,
  signal: AbortSignal,
  onSpawn: OnSpawn,
): Promise<LaunchOutcome> {
  let logStart: number;
  let database: string | null;
  let migrate: boolean;
  let limitation: PhaseReason | null = null;
  try {
    const [wrong, size] = await Promise.all([deps.files.whatIsWrong(spec), prepareLog(spec, deps.log)]);
    if (wrong) return failed(wrong);
    logStart = size;
    const file = deps.files.database(spec);
    database = file?.identity ?? null;
    migrate = file === null || file.stamp !== prepared;
    if (migrate) {
      limitation = await spec.prepare(signal);
      if (signal.aborted) return { kind: 'interrupted', process: null };
      // What migrations printed is not why the process ends that is started now.
      logStart = await endOfLog(spec.log);
    }
  } catch (error) {
    // What is gone is also why its log could not be opened.
    return failed((await deps.files.whatIsWrong(spec).catch(() => null)) ?? spawnFailure(error));
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
    if (signal.aborted) return { kind: 'interrupted', process: null };
    const outcome = await launchOn(
      { port, logStart, database, migrate, limitation },
      spec,
      deps,
      signal,
      onSpawn,
    );
    const mayMove = 'preferred' in spec.port && attempt < PORT_TRIES;
    if (outcome.kind !== 'failed' || outcome.reason.code !== 'port_in_use' || !mayMove) return outcome;
    taken.add(port);
  }
}

/** Where the log goes on. Best effort: a log that cannot be made ready does not block the start. */
async function prepareLog(spec: InstanceSpec, log: Logger): Promise<number> {
  try {
    return await spec.log.prepare();
  } catch (error) {
    // Without file descriptors nothing else works either.
    if (OUT_OF_FILES.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    log.warn({ instance: spec.name }, `its log cannot be made ready: ${messageOf(error)}`);
    return 0;
  }
}

async function choosePort(
  spec: InstanceSpec,
  lastPort: number | null,
  ports: PortAllocator,
  taken: ReadonlySet<number>,
): Promise<number> {
  return 'fixed' in spec.port
    ? ports.claimFixed(spec.port.fixed)
    : ports.claim(spec.name, lastPort ?? spec.port.preferred, taken);
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
  const { driver, probe: look, clock, starts, log } = deps;
  let process: InstanceProcess;
  const startedAt = clock.now();
  try {
    process = await driver.spawn({
      name: spec.name,
      binary: spec.binary.path,
      dataDir: dataDirOf(spec.directory),
      lockFile: lockFileOf(spec.directory),
      logFile: spec.log.path,
      host: spec.host,
      port,
      migrationsDir: migrate ? spec.migrationsDir : null,
      hooksDir: spec.hooksDir,
      hooksPool: spec.hooksPool,
      environment: spec.environment,
    });
  } catch (error) {
    return failed(spawnFailure(error));
  }
  if (process.logProblem) {
    const remedy = 'mend that, then restart it to have a log again';
    log.warn(
      { instance: spec.name },
      `it runs without a log, as ${spec.log.path} cannot be opened: ${process.logProblem}; ${remedy}`,
    );
  }
  onSpawn(process, { port, logStart });

  const gone = watchExit(process);
  const tooLong = deadline(clock, START_TIMEOUT_MS);
  const target = { host: connectHost(spec.host), port, path: READINESS_PATH };
  const ended = AbortSignal.any([signal, gone.signal, tooLong.signal]);
  let probe: Probe | null;
  do {
    probe = await waitUntilReady(target, {
      probe: look,
      clock,
      signal: ended,
      concurrentStarts: Math.max(1, starts.held),
    });
    // An answer counts only from our process: one that took the port a moment before answers as well.
  } while (probe && !gone.exit() && !(await process.mayListen()));
  tooLong.cancel();
  const exit = gone.exit();
  if (probe && !exit)
    return { kind: 'running', running: { process, port, startedAt, probe, limitation }, database };
  if (exit) return failed(exitReason(exit, await lastLines(spec.log, logStart), spec), exit);
  if (signal.aborted) return { kind: 'interrupted', process };
  const end = await endProcess(process, spec.directory, deps, { graceMs: 0, patience: signal });
  if (!end) return { kind: 'interrupted', process };
  return {
    kind: 'failed',
    reason: {
      code: 'start_timeout',
      message: `no answer within ${START_TIMEOUT_MS / 1000} s of its start; look at its log`,
      log_tail: await lastLines(spec.log, logStart),
    },
    exit: end.exit,
    endedBy: 'fathomd',
  };
}

function failed(reason: PhaseReason, exit: ProcessExit | null = null): LaunchOutcome {
  return { kind: 'failed', reason, exit, endedBy: null };
}

function spawnFailure(error: unknown): PhaseReason {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
      return {
        code: 'disk_full',
        message: 'the disk is full; free some space, the instance then comes back by itself',
      };
    case 'EROFS':
      return {
        code: 'read_only',
        message:
          "the file system is read-only; see 'dmesg' for why, then 'mount -o remount,rw' it; the instance then comes back by itself",
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
      return { code: 'spawn_failed', message: `the process could not be started: ${messageOf(error)}` };
  }
}
