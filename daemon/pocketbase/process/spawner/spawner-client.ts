import { type ChildProcess, fork } from 'node:child_process';
import type { Sandbox } from '../../../../shared/api/instances.ts';
import { modulePath } from '../../../base/package.ts';
import type {
  ExplainRequest,
  HoldRequest,
  HoldResult,
  ProcessExit,
  ReleaseRequest,
  SpawnerPing,
  SpawnerReport,
  SpawnerSupport,
  SpawnRequest,
  SupportRequest,
  TakeRequest,
} from './spawner-protocol.ts';

const PROGRAM = modulePath('daemon/pocketbase/process/spawner/spawner');

export interface Spawned {
  pid: number;
  /** Ticks since boot, see `ProcessStat`. */
  startTime: number;
  /** Why the log file could not be opened; null when it is open. */
  logProblem: string | null;
  sandbox: Sandbox;
  /** Why it is not in its cgroup; null when it is, or when there is none. */
  cgroupProblem: string | null;
  /** Resolves with the exit; with null when the spawner ended first and the exit is unknown. */
  exited: Promise<ProcessExit | null>;
}

/** The timeout of a running spawner. A response takes milliseconds, and a second on an overloaded host. */
const RESPONSE_TIMEOUT_MS = 5_000;
/** The timeout of a starting spawner. Node takes many seconds to start on an overloaded host. */
const START_TIMEOUT_MS = 60_000;
const PING_EVERY_MS = 5_000;

class SpawnerTimeout extends Error {
  constructor() {
    super('the spawner process did not respond in time and was replaced');
  }
}

type SpawnedProcess = Pick<Spawned, 'pid' | 'startTime' | 'logProblem' | 'sandbox' | 'cgroupProblem'>;

interface Pending {
  spawner: ChildProcess;
  spawned: PromiseWithResolvers<SpawnedProcess>;
  exited: PromiseWithResolvers<ProcessExit | null>;
}

/** Starts processes through the spawner. Starts the spawner when none runs. */
export class SpawnerClient {
  readonly #responseTimeoutMs: number;
  #spawner: ChildProcess | null = null;
  /** Spawners that have sent a message, so their start is complete. */
  readonly #started = new WeakSet<ChildProcess>();
  #lastId = 0;
  readonly #pending = new Map<number, Pending>();

  constructor(responseTimeoutMs = RESPONSE_TIMEOUT_MS) {
    this.#responseTimeoutMs = responseTimeoutMs;
  }

  /**
   * Starts a process. A spawner that does not respond is replaced, and the request is sent once more.
   *
   * @throws the error of spawn(2) or open(2)
   */
  async spawn(request: Omit<SpawnRequest, 'id'>): Promise<Spawned> {
    try {
      return await this.#send(request);
    } catch (error) {
      if (!(error instanceof SpawnerTimeout)) throw error;
      return this.#send(request);
    }
  }

  async #send(request: Omit<SpawnRequest, 'id'>): Promise<Spawned> {
    this.#lastId += 1;
    const id = this.#lastId;
    const spawner = this.#runningSpawner();
    const pending: Pending = {
      spawner,
      spawned: Promise.withResolvers<SpawnedProcess>(),
      exited: Promise.withResolvers<ProcessExit | null>(),
    };
    this.#pending.set(id, pending);
    const cancelTimeout = this.#startTimeout(spawner, true);
    try {
      spawner.send({ ...request, id } satisfies SpawnRequest);
      return { ...(await pending.spawned.promise), exited: pending.exited.promise };
    } finally {
      cancelTimeout();
    }
  }

  /** What the host offers for sandboxes and sockets. */
  async support(): Promise<SpawnerSupport> {
    const report = await this.#ask<SupportRequest, 'support'>('support', { kind: 'support' });
    return report.support;
  }

  /** Opens or takes the listening socket of a port. */
  async hold(request: Omit<HoldRequest, 'id'> | Omit<TakeRequest, 'id'>): Promise<HoldResult> {
    const report = await this.#ask<HoldRequest | TakeRequest, 'hold'>('hold', request);
    return report.result;
  }

  /** Closes or explains the socket of a port. A spawner that does not run has none. */
  tell(request: Omit<ReleaseRequest, 'id'> | Omit<ExplainRequest, 'id'>): void {
    if (this.#spawner?.connected) this.#spawner.send({ ...request, id: 0 });
  }

  /** Sends a request and waits for the report with its id. */
  async #ask<Request extends { id: number }, Kind extends SpawnerReport['kind']>(
    kind: Kind,
    request: Omit<Request, 'id'>,
  ): Promise<Extract<SpawnerReport, { kind: Kind }>> {
    this.#lastId += 1;
    const id = this.#lastId;
    const spawner = this.#runningSpawner();
    const answer = Promise.withResolvers<Extract<SpawnerReport, { kind: Kind }>>();
    const receive = (report: SpawnerReport) => {
      if (report.kind === kind && report.id === id) {
        answer.resolve(report as Extract<SpawnerReport, { kind: Kind }>);
      }
    };
    const fail = () => answer.reject(new Error('the spawner process has ended'));
    const cancelTimeout = this.#startTimeout(spawner, true);
    spawner.on('message', receive).once('disconnect', fail);
    try {
      spawner.send({ ...request, id });
      return await answer.promise;
    } finally {
      cancelTimeout();
      spawner.off('message', receive).off('disconnect', fail);
    }
  }

  /**
   * Replaces the spawner after the timeout, unless the returned function is called first.
   *
   * @param keepsRunning whether this process must not end before the response, as for a command that only asks this
   */
  #startTimeout(spawner: ChildProcess, keepsRunning: boolean): () => void {
    const timeoutMs = this.#started.has(spawner) ? this.#responseTimeoutMs : START_TIMEOUT_MS;
    const timer = setTimeout(() => this.#replace(spawner), timeoutMs);
    if (!keepsRunning) timer.unref();
    return () => clearTimeout(timer);
  }

  /** Pings the spawner: a stopped or hung one would report no more exits. */
  #watch(spawner: ChildProcess): void {
    let cancelTimeout: (() => void) | null = null;
    const pings = setInterval(() => {
      if (cancelTimeout) return;
      cancelTimeout = this.#startTimeout(spawner, false);
      spawner.send({ id: 0, kind: 'ping' } satisfies SpawnerPing);
    }, PING_EVERY_MS);
    pings.unref();
    spawner.on('message', (report) => {
      if ((report as SpawnerReport).kind !== 'pong') return;
      cancelTimeout?.();
      cancelTimeout = null;
    });
    spawner.once('disconnect', () => {
      clearInterval(pings);
      cancelTimeout?.();
    });
  }

  /** Kills the spawner, so that it cannot start a process later that its successor has started too. */
  #replace(spawner: ChildProcess): void {
    spawner.kill('SIGKILL');
    this.#abandon(spawner, new SpawnerTimeout());
  }

  close(): void {
    if (this.#spawner?.connected) this.#spawner.disconnect();
    this.#spawner = null;
  }

  #runningSpawner(): ChildProcess {
    if (this.#spawner?.connected) return this.#spawner;
    const spawner = fork(PROGRAM, [], {
      execArgv: ['--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'],
      env: {},
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    spawner.on('message', (report) => {
      this.#started.add(spawner);
      this.#receive(report as SpawnerReport);
    });
    spawner.once('error', (error) => this.#abandon(spawner, error));
    spawner.once('disconnect', () => this.#abandon(spawner, new Error('the spawner process has ended')));
    // Each open request listens for its report.
    spawner.setMaxListeners(0);
    // The spawner must not keep the daemon from exiting.
    spawner.unref();
    spawner.channel?.unref();
    this.#watch(spawner);
    this.#spawner = spawner;
    return spawner;
  }

  #receive(report: SpawnerReport): void {
    const pending = this.#pending.get(report.id);
    if (!pending) return;
    if (report.kind === 'pong' || report.kind === 'support' || report.kind === 'hold') return;
    if (report.kind === 'spawned') {
      const { pid, startTime, logProblem, sandbox, cgroupProblem } = report;
      pending.spawned.resolve({ pid, startTime, logProblem, sandbox, cgroupProblem });
      return;
    }
    this.#pending.delete(report.id);
    if (report.kind === 'exited') {
      pending.exited.resolve({ code: report.code, signal: report.signal });
    } else {
      const { message, code, path } = report;
      pending.spawned.reject(Object.assign(new Error(message), { code, ...(path === null ? {} : { path }) }));
    }
  }

  /** Fails the pending starts of a spawner. Exits of its running processes have to be polled from now on. */
  #abandon(spawner: ChildProcess, error: Error): void {
    if (this.#spawner === spawner) this.#spawner = null;
    for (const [id, { spawner: owner, spawned, exited }] of this.#pending) {
      if (owner !== spawner) continue;
      spawned.reject(error);
      exited.resolve(null);
      this.#pending.delete(id);
    }
  }
}
