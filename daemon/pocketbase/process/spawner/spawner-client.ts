import { type ChildProcess, fork } from 'node:child_process';
import { modulePath } from '../../../base/package.ts';
import type { ProcessExit } from '../process-driver.ts';
import type { SpawnerPing, SpawnerReport, SpawnRequest } from './spawner-protocol.ts';

const PROGRAM = modulePath('daemon/pocketbase/process/spawner/spawner');

export interface Spawned {
  pid: number;
  /** Ticks since boot, see `ProcessStat`. */
  startTime: number;
  /** Why the log file could not be opened; null when it is. */
  logProblem: string | null;
  /** Settles with the exit, or with null when the spawner was gone before and nobody can tell. */
  exited: Promise<ProcessExit | null>;
}

/** Of one that runs: an answer takes milliseconds, and a second on a host that is overloaded. */
const ANSWER_WITHIN_MS = 5_000;
/** Of one that starts: Node takes many seconds for that on such a host, and another one would take no less. */
const START_WITHIN_MS = 60_000;
const PING_EVERY_MS = 5_000;

class SpawnerSilent extends Error {
  constructor() {
    super('the process that starts others did not answer, and was replaced');
  }
}

type SpawnedProcess = Pick<Spawned, 'pid' | 'startTime' | 'logProblem'>;

interface Pending {
  spawner: ChildProcess;
  spawned: PromiseWithResolvers<SpawnedProcess>;
  exited: PromiseWithResolvers<ProcessExit | null>;
}

/** Starts processes through the spawner; starts the spawner when there is none. */
export class SpawnerClient {
  readonly #answerWithinMs: number;
  #spawner: ChildProcess | null = null;
  /** Those that have started, as they have said something. */
  readonly #heard = new WeakSet<ChildProcess>();
  #lastId = 0;
  readonly #pending = new Map<number, Pending>();

  constructor(answerWithinMs = ANSWER_WITHIN_MS) {
    this.#answerWithinMs = answerWithinMs;
  }

  /**
   * A spawner that does not answer (stopped, hung) is replaced by another one, once.
   *
   * @throws the error of spawn(2) or open(2)
   */
  async spawn(request: Omit<SpawnRequest, 'id'>): Promise<Spawned> {
    try {
      return await this.#ask(request);
    } catch (error) {
      if (!(error instanceof SpawnerSilent)) throw error;
      return this.#ask(request);
    }
  }

  async #ask(request: Omit<SpawnRequest, 'id'>): Promise<Spawned> {
    this.#lastId += 1;
    const id = this.#lastId;
    const spawner = this.#running();
    const pending: Pending = {
      spawner,
      spawned: Promise.withResolvers<SpawnedProcess>(),
      exited: Promise.withResolvers<ProcessExit | null>(),
    };
    this.#pending.set(id, pending);
    const answered = this.#expectAnswer(spawner);
    try {
      spawner.send({ ...request, id } satisfies SpawnRequest);
      return { ...(await pending.spawned.promise), exited: pending.exited.promise };
    } finally {
      answered();
    }
  }

  /** Replaces a spawner that has not answered in time, unless the returned function was called. */
  #expectAnswer(spawner: ChildProcess): () => void {
    const withinMs = this.#heard.has(spawner) ? this.#answerWithinMs : START_WITHIN_MS;
    const patience = setTimeout(() => this.#replace(spawner), withinMs);
    patience.unref();
    return () => clearTimeout(patience);
  }

  /** Without it nobody would notice that one stands still, nor what ended since. */
  #watch(spawner: ChildProcess): void {
    let answered: (() => void) | null = null;
    const pings = setInterval(() => {
      if (answered) return;
      answered = this.#expectAnswer(spawner);
      spawner.send({ id: 0, kind: 'ping' } satisfies SpawnerPing);
    }, PING_EVERY_MS);
    pings.unref();
    spawner.on('message', (report) => {
      if ((report as SpawnerReport).kind !== 'pong') return;
      answered?.();
      answered = null;
    });
    spawner.once('disconnect', () => {
      clearInterval(pings);
      answered?.();
    });
  }

  /** It cannot come to itself any more and start what by then is started by another one. */
  #replace(spawner: ChildProcess): void {
    spawner.kill('SIGKILL');
    this.#lost(spawner, new SpawnerSilent());
  }

  close(): void {
    if (this.#spawner?.connected) this.#spawner.disconnect();
    this.#spawner = null;
  }

  #running(): ChildProcess {
    if (this.#spawner?.connected) return this.#spawner;
    const spawner = fork(PROGRAM, [], {
      execArgv: ['--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'],
      env: {},
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    spawner.on('message', (report) => {
      this.#heard.add(spawner);
      this.#receive(report as SpawnerReport);
    });
    spawner.once('error', (error) => this.#lost(spawner, error));
    spawner.once('disconnect', () => this.#lost(spawner, new Error('the spawner is gone')));
    // It must not keep a daemon alive that has nothing else to do.
    spawner.unref();
    spawner.channel?.unref();
    this.#watch(spawner);
    this.#spawner = spawner;
    return spawner;
  }

  #receive(report: SpawnerReport): void {
    const pending = this.#pending.get(report.id);
    if (!pending) return;
    if (report.kind === 'pong') return;
    if (report.kind === 'spawned') {
      const { pid, startTime, logProblem } = report;
      pending.spawned.resolve({ pid, startTime, logProblem });
      return;
    }
    this.#pending.delete(report.id);
    if (report.kind === 'exited') {
      pending.exited.resolve({ code: report.code, signal: report.signal });
    } else {
      pending.spawned.reject(Object.assign(new Error(report.message), { code: report.code }));
    }
  }

  /** Starts that were under way fail and are tried again; what runs has to be watched in another way. */
  #lost(spawner: ChildProcess, error: Error): void {
    if (this.#spawner === spawner) this.#spawner = null;
    for (const [id, { spawner: asked, spawned, exited }] of this.#pending) {
      if (asked !== spawner) continue;
      spawned.reject(error);
      exited.resolve(null);
      this.#pending.delete(id);
    }
  }
}
