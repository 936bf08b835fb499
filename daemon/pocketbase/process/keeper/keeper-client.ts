import { type ProcessStat, processStat } from '../procfs.ts';
import { ForkedKeeper, type KeeperLink, type KeeperPlace, LastingKeeper } from './keeper-link.ts';
import type {
  Absence,
  Child,
  ExplainRequest,
  HoldRequest,
  HoldResult,
  KeeperReport,
  KeeperRequest,
  KeeperSupport,
  OpenRequest,
  PackedCommands,
  ProcessExit,
  ReleaseRequest,
  SleepRequest,
  SpawnCommand,
  StartedProcess,
  TakeRequest,
} from './keeper-protocol.ts';

export interface Spawned extends StartedProcess {
  /** Resolves with the exit; with null when the keeper ended first and the exit is unknown. */
  exited: Promise<ProcessExit | null>;
}

/** The timeout of a running keeper. A response takes milliseconds, and a second on an overloaded host. */
const RESPONSE_TIMEOUT_MS = 5_000;
/** The timeout of a starting keeper. Node takes many seconds to start on an overloaded host. */
const START_TIMEOUT_MS = 60_000;
const PING_EVERY_MS = 5_000;
/** Timeouts that a keeper may take longer while it works. */
const MAX_EXTENSIONS = 11;
/** Time to read what has arrived. */
const READ_MS = 10;
/** Running or ready to run, and waiting for a disk: proc_pid_stat(5). */
const WORKING_STATES: ReadonlySet<string> = new Set(['R', 'D']);

class KeeperTimeout extends Error {
  constructor() {
    super('the keeper process did not respond in time and was replaced');
  }
}

/** A request without its id. */
type Unsent<Request> = Request extends unknown ? Omit<Request, 'id'> : never;

interface Answer {
  report: KeeperReport;
  /** Of a started process. Its exit can be reported together with its start. */
  exited: Promise<ProcessExit | null> | null;
}

interface Pending {
  keeper: KeeperLink;
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

interface Waiting {
  keeper: KeeperLink;
  exited: PromiseWithResolvers<ProcessExit | null>;
}

/** Starts processes and holds sockets through the keeper. Starts the keeper when none runs. */
export class KeeperClient {
  readonly #place: KeeperPlace | null;
  /** Called when a keeper has ended unexpectedly. */
  readonly #onLost: () => void;
  readonly #onRing: (port: number) => void;
  readonly #responseTimeoutMs: number;
  readonly #pingEveryMs: number;
  /** The end of the lease in boot time; null without a limit, undefined until it is known. */
  #lease: number | null | undefined;
  #keeper: KeeperLink | null = null;
  #isClosed = false;
  /** Keepers that have sent a report, so their start is complete. */
  readonly #started = new WeakSet<KeeperLink>();
  #lastId = 0;
  readonly #pending = new Map<number, Pending>();
  /** Running processes by pid. */
  readonly #running = new Map<number, Waiting>();

  /** @param place of a keeper that outlives this process; null for one that ends with it */
  constructor(
    place: KeeperPlace | null = null,
    {
      onLost = () => {},
      onRing = () => {},
      responseTimeoutMs = RESPONSE_TIMEOUT_MS,
      pingEveryMs = PING_EVERY_MS,
      needsLease = false,
    }: {
      onLost?: () => void;
      onRing?: (port: number) => void;
      responseTimeoutMs?: number;
      pingEveryMs?: number;
      needsLease?: boolean;
    } = {},
  ) {
    this.#place = place;
    this.#onLost = onLost;
    this.#onRing = onRing;
    this.#responseTimeoutMs = responseTimeoutMs;
    this.#pingEveryMs = pingEveryMs;
    this.#lease = needsLease ? undefined : null;
  }

  /** The keeper kills all processes at this time, unless it gets a later one before. @param until in boot time */
  setLease(until: number): void {
    this.#lease = until;
    if (this.#keeper?.isOpen) this.#keeper.send({ id: 0, kind: 'lease', until });
    // That of an earlier daemon must not wait for the first request: a start can take longer than a lease.
    else if (!this.#isClosed) this.#runningKeeper();
  }

  /**
   * Starts a process. A keeper that does not respond is replaced, and the request is sent once more.
   *
   * @throws the error of spawn(2) or open(2)
   */
  async spawn(request: SpawnCommand): Promise<Spawned> {
    try {
      return await this.#spawn(request);
    } catch (error) {
      if (!(error instanceof KeeperTimeout)) throw error;
      return this.#spawn(request);
    }
  }

  async #spawn(command: SpawnCommand): Promise<Spawned> {
    const { report, exited } = await this.#ask({ ...command, kind: 'spawn' });
    if (report.kind !== 'spawned' || exited === null) throw unexpected(report);
    const { pid, startTime, logProblem, sandbox, cgroupProblem } = report;
    return { pid, startTime, logProblem, sandbox, cgroupProblem, exited };
  }

  /** The pid of the running keeper; null without one. */
  get pid(): number | null {
    return this.#keeper?.pid ?? null;
  }

  /** What the host offers for sandboxes and sockets. */
  async support(): Promise<KeeperSupport> {
    const { report } = await this.#ask({ kind: 'support' });
    if (report.kind !== 'support') throw unexpected(report);
    return report.support;
  }

  /** Opens or takes the listening socket of a port, or lets its database sleep. */
  async hold(request: Unsent<HoldRequest | TakeRequest | SleepRequest>): Promise<HoldResult> {
    const { report } = await this.#ask(request);
    if (report.kind !== 'hold') throw unexpected(report);
    return report.result;
  }

  /** Opens the sockets of many ports. Returns those that cannot be opened. */
  async open(request: Unsent<OpenRequest>): Promise<number[]> {
    const { report } = await this.#ask(request);
    if (report.kind !== 'opened') throw unexpected(report);
    return report.closed;
  }

  /** Sends how to start databases that sleep since an `open`. */
  async sendCommands(commands: PackedCommands): Promise<void> {
    await this.#ask({ kind: 'commands', ...commands });
  }

  /** What the keeper did while no daemon was connected. */
  async absence(): Promise<Absence> {
    const { report } = await this.#ask({ kind: 'absence' });
    if (report.kind !== 'absence') throw unexpected(report);
    return report;
  }

  /** Tells what happens with the socket of a port. A keeper that does not run has none. */
  tell(request: Unsent<ReleaseRequest | ExplainRequest>): void {
    if (this.#keeper?.isOpen) this.#keeper.send({ ...request, id: 0 });
  }

  /**
   * The exit of a process that the keeper had started for an earlier daemon: null when the keeper ends first. Null instead
   * of a promise for another process.
   */
  exitOf({ pid, startTime }: Child): Promise<ProcessExit | null> | null {
    const keeper = this.#keeper;
    const isChild = keeper?.children.some((child) => child.pid === pid && child.startTime === startTime);
    if (!keeper?.isOpen || !isChild) return null;
    const known = this.#running.get(pid);
    if (known) return known.exited.promise;
    const exited = Promise.withResolvers<ProcessExit | null>();
    this.#running.set(pid, { keeper, exited });
    return exited.promise;
  }

  /** Sends a request and waits for the report with its id. */
  async #ask(request: Unsent<KeeperRequest>): Promise<Answer> {
    this.#lastId += 1;
    const id = this.#lastId;
    const keeper = this.#runningKeeper();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#pending.set(id, { keeper, resolve, reject });
    const cancelTimeout = this.#startTimeout(keeper, true);
    try {
      keeper.send({ ...request, id });
      return await promise;
    } finally {
      cancelTimeout();
      this.#pending.delete(id);
    }
  }

  /**
   * Replaces the keeper after the timeout, unless the returned function is called first. Its sockets would be lost, so a
   * keeper that only waits for a processor on an overloaded host gets more time.
   *
   * @param keepsRunning whether this process must not end before the response, as for a command that only asks this
   */
  #startTimeout(keeper: KeeperLink, keepsRunning: boolean): () => void {
    const timeoutMs = this.#started.has(keeper) ? this.#responseTimeoutMs : START_TIMEOUT_MS;
    let before = keeper.pid === null ? null : processStat(keeper.pid);
    let extensions = 0;
    let timer: NodeJS.Timeout;
    const start = (ms: number, then: () => void) => {
      timer = setTimeout(then, ms);
      if (!keepsRunning) timer.unref();
    };
    const check = () => {
      // Closed by this process. The next daemon can be in the same process, and uses the keeper now.
      if (!keeper.isOpen) {
        this.#rejectPending(keeper, new Error('the connection to the keeper is closed'));
        return;
      }
      const now = keeper.pid === null ? null : processStat(keeper.pid);
      if (extensions === MAX_EXTENSIONS || !isWorking(before, now)) {
        this.#replace(keeper);
        return;
      }
      extensions += 1;
      before = now;
      start(timeoutMs, expire);
    };
    // This process itself may have been stopped or overloaded: then the response has arrived, and is read now.
    const expire = () => start(READ_MS, check);
    start(timeoutMs, expire);
    return () => clearTimeout(timer);
  }

  /** Pings the keeper: a stopped or hung one would report no more exits. */
  #watch(keeper: KeeperLink): void {
    let cancelTimeout: (() => void) | null = null;
    const pings = setInterval(() => {
      if (!keeper.isOpen) clearInterval(pings);
      if (cancelTimeout || !keeper.isOpen) return;
      cancelTimeout = this.#startTimeout(keeper, false);
      keeper.send({ id: 0, kind: 'ping' });
    }, this.#pingEveryMs);
    pings.unref();
    keeper.on('report', (report) => {
      if (report.kind !== 'pong') return;
      cancelTimeout?.();
      cancelTimeout = null;
    });
    keeper.once('closed', () => {
      clearInterval(pings);
      cancelTimeout?.();
    });
  }

  #replace(keeper: KeeperLink): void {
    keeper.kill();
    keeper.emit('closed', new KeeperTimeout());
  }

  close(): void {
    this.#isClosed = true;
    this.#keeper?.close();
    this.#keeper = null;
  }

  #runningKeeper(): KeeperLink {
    if (this.#keeper?.isOpen) return this.#keeper;
    const keeper = this.#place === null ? new ForkedKeeper() : new LastingKeeper(this.#place);
    keeper.on('report', (report) => {
      this.#started.add(keeper);
      this.#receive(keeper, report);
    });
    keeper.once('closed', (error) => this.#abandon(keeper, error));
    // Before all other requests: an earlier daemon may have set another one.
    if (this.#lease !== undefined) keeper.send({ id: 0, kind: 'lease', until: this.#lease });
    this.#watch(keeper);
    this.#keeper = keeper;
    return keeper;
  }

  #receive(keeper: KeeperLink, report: KeeperReport): void {
    if (report.kind === 'exited') {
      this.#running.get(report.pid)?.exited.resolve(report.exit);
      this.#running.delete(report.pid);
      // Its exit is not reported again.
      keeper.children = keeper.children.filter(({ pid }) => pid !== report.pid);
      return;
    }
    if (report.kind === 'ring') {
      this.#onRing(report.port);
      return;
    }
    let exited: Answer['exited'] = null;
    if (report.kind === 'spawned') {
      const exit = Promise.withResolvers<ProcessExit | null>();
      this.#running.set(report.pid, { keeper, exited: exit });
      exited = exit.promise;
    }
    const pending = this.#pending.get(report.id);
    if (report.kind === 'failed') {
      const { message, code, path } = report;
      pending?.reject(Object.assign(new Error(message), { code, ...(path === null ? {} : { path }) }));
    } else pending?.resolve({ report, exited });
  }

  #rejectPending(keeper: KeeperLink, error: Error): void {
    for (const [id, { keeper: owner, reject }] of this.#pending) {
      if (owner !== keeper) continue;
      reject(error);
      this.#pending.delete(id);
    }
  }

  /** Fails the pending requests of a keeper. Exits of its running processes have to be polled from now on. */
  #abandon(keeper: KeeperLink, error: Error): void {
    const isLost = this.#keeper === keeper;
    if (isLost) this.#keeper = null;
    this.#rejectPending(keeper, error);
    for (const [pid, { keeper: owner, exited }] of this.#running) {
      if (owner !== keeper) continue;
      exited.resolve(null);
      this.#running.delete(pid);
    }
    if (isLost) this.#onLost();
  }
}

function unexpected({ kind }: KeeperReport): Error {
  return new Error(`the keeper answered with '${kind}'`);
}

/** Whether a process works, or would if it had a processor. A stopped or hung one does not. */
function isWorking(before: ProcessStat | null, now: ProcessStat | null): boolean {
  if (now === null) return false;
  return WORKING_STATES.has(now.state) || (before !== null && now.cpuSeconds > before.cpuSeconds);
}
