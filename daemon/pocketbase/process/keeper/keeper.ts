import { closeSync, lstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../../shared/errors.ts';
import { CANNOT_START, type Unavailable } from '../../sockets/unavailable.ts';
import { CONCURRENT_STARTS } from '../command.ts';
import { endIdleProcess } from '../idle-process.ts';
import type {
  Child,
  HoldRequest,
  HoldResult,
  KeeperReport,
  KeeperRequest,
  SleepRequest,
  SpawnCommand,
  SpawnRequest,
} from './keeper-protocol.ts';
import type { KeeperState, RunningChild } from './keeper-state.ts';
import type { Starter } from './starters.ts';

/** A start that takes longer no longer counts. */
const MAX_START_MS = 5_000;

/** For clients of a database that is started without a daemon. */
const NO_DATA: Unavailable = {
  code: 'data_dir_missing',
  message: CANNOT_START,
  retryAfterS: null,
};

type HandledRequest = Exclude<KeeperRequest, { kind: 'replace' | 'goodbye' }>;

/** Handles the requests of a daemon. While none is connected, it wakes sleeping databases itself. */
export class Keeper {
  readonly #starter: Starter;
  readonly #send: (report: KeeperReport) => void;
  readonly #hasDaemon: () => boolean;
  /** How to start the processes of sleeping databases, by port. */
  readonly #sleeping: Map<number, SpawnCommand>;
  /** Ports with a waiting connection whose process has not started. */
  readonly #ringing = new Set<number>();
  /** Ports whose databases the keeper could not start. They answer with status 503 until a daemon comes. */
  readonly #failed = new Set<number>();
  /** Starts in progress, by port. */
  readonly #starting = new Map<number, NodeJS.Timeout>();

  constructor(
    starter: Starter,
    send: (report: KeeperReport) => void,
    { hasDaemon, sleeping }: { hasDaemon: () => boolean; sleeping: KeeperState['sleeping'] },
  ) {
    this.#starter = starter;
    this.#send = send;
    this.#hasDaemon = hasDaemon;
    this.#sleeping = new Map(sleeping);
  }

  /** What the next program needs. */
  state(): Pick<KeeperState, 'sleeping'> {
    return { sleeping: [...this.#sleeping] };
  }

  /** Whether it must not end: it has processes, or wakes databases. */
  get isNeeded(): boolean {
    return this.#starter.children().length > 0 || this.#sleeping.size > 0;
  }

  /** A connection waits at the port of a sleeping database. */
  ring(port: number): void {
    this.#ringing.add(port);
    this.#send({ id: 0, kind: 'ring', port });
    if (!this.#hasDaemon()) this.wake();
  }

  /** A process accepts connections, or has ended. */
  started(port: number): void {
    clearTimeout(this.#starting.get(port));
    this.#starting.delete(port);
    if (!this.#hasDaemon()) this.wake();
  }

  /** Starts databases with waiting connections, in the order of their connections. */
  wake(): void {
    for (const port of this.#ringing) {
      if (this.#starting.size >= CONCURRENT_STARTS) return;
      this.#ringing.delete(port);
      const command = this.#sleeping.get(port);
      if (command === undefined) continue;
      if (!hasData(command.sandbox.dataDir)) {
        this.#forget(port);
        this.#failed.add(port);
        this.#starter.ports?.explain(port, NO_DATA, 'now');
        continue;
      }
      const timeout = setTimeout(() => this.started(port), MAX_START_MS);
      this.#starting.set(port, timeout);
      void this.#start({ id: 0, kind: 'spawn', ...command });
    }
  }

  children(): Child[] {
    return this.#starter.children().map(({ pid, startTime }) => ({ pid, startTime }));
  }

  /** Requests that concern the keeper itself are not handled here. */
  handle(request: HandledRequest): void {
    try {
      this.#handle(request);
    } catch (error) {
      this.#fail(request, error);
    }
  }

  /** An error of one request must not end the keeper, which holds the sockets of all. */
  #fail(request: HandledRequest, error: unknown): void {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    this.#report(request, error);
  }

  #report({ id }: HandledRequest, error: unknown): void {
    const { code = null, path = null } = error as NodeJS.ErrnoException;
    this.#send({ id, kind: 'failed', code, path, message: messageOf(error) });
  }

  #handle(request: HandledRequest): void {
    const { ports } = this.#starter;
    switch (request.kind) {
      case 'spawn':
        void this.#start(request);
        break;
      case 'ping':
        this.#send({ id: request.id, kind: 'pong' });
        break;
      case 'support':
        this.#send({ id: request.id, kind: 'support', support: this.#starter.support });
        break;
      case 'hold':
        this.#send({ id: request.id, kind: 'hold', result: this.#hold(request) });
        break;
      case 'take': {
        const isHeld = ports?.take(request.pid, request.port) ?? false;
        this.#send({ id: request.id, kind: 'hold', result: isHeld ? 'held' : 'unsupported' });
        break;
      }
      case 'release':
        this.#forget(request.port);
        ports?.release(request.port);
        break;
      case 'sleep':
        void this.#sleep(request);
        break;
      case 'explain':
        // The daemon has found out why it does not start.
        this.#forget(request.port);
        ports?.explain(request.port, request.problem, request.when);
        break;
      default:
        request satisfies never;
    }
  }

  /** Closes the sockets of ports without a process, except those of sleeping databases. */
  releaseUnused(): void {
    const used = this.#starter.children().flatMap(({ port }) => (port === null ? [] : [port]));
    this.#starter.ports?.keepOnly(new Set([...used, ...this.#sleeping.keys(), ...this.#failed]));
  }

  async #sleep(request: SleepRequest): Promise<void> {
    try {
      const result = await this.#fallAsleep(request);
      this.#send({ id: request.id, kind: 'hold', result });
    } catch (error) {
      this.#fail(request, error);
    }
  }

  async #fallAsleep({ address, port, command, pid }: SleepRequest): Promise<HoldResult> {
    const { ports } = this.#starter;
    if (!ports) return 'unsupported';
    if (!ports.has(port)) {
      const result = this.#hold({ address, port });
      if (result !== 'held') return result;
    }
    const hasWaiting = () => ports.hasWaitingConnection(port);
    if (pid !== null) {
      // A pid is used again after its process has ended.
      const isIt = ports.isServed(port) || this.#childOf(port)?.pid === pid;
      if (!isIt || !(await endIdleProcess(pid, hasWaiting))) return 'has_clients';
    }
    this.#sleeping.set(port, command);
    this.#ringing.delete(port);
    ports.sleep(port, this.#hasProcess(port));
    return 'held';
  }

  #forget(port: number): void {
    this.#sleeping.delete(port);
    this.#ringing.delete(port);
    this.#failed.delete(port);
  }

  #hasProcess(port: number): boolean {
    return this.#starter.ports?.isServed(port) === true || this.#childOf(port) !== undefined;
  }

  #childOf(port: number): RunningChild | undefined {
    return this.#starter.children().find((child) => child.port === port);
  }

  async #start(request: SpawnRequest): Promise<void> {
    const { port } = request.sandbox;
    if (port !== null) this.#forget(port);
    try {
      const { fd: log, problem: logProblem } = openLog(request.logFile);
      try {
        const started = await this.#starter.start(request, log);
        this.#send({ id: request.id, kind: 'spawned', ...started, logProblem });
      } finally {
        closeSync(log);
      }
    } catch (error) {
      this.#report(request, error);
      if (port !== null) this.started(port);
    }
  }

  #hold({ address, port }: Pick<HoldRequest, 'address' | 'port'>): HoldResult {
    const { ports } = this.#starter;
    if (!ports) return 'unsupported';
    // Two databases must never share a socket.
    if (this.#hasProcess(port)) return 'in_use';
    try {
      ports.hold(address, port);
      return 'held';
    } catch (error) {
      // Other errors are those of the address or of this process. The daemon checks the port itself then.
      return (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'in_use' : 'unsupported';
    }
  }
}

/** Best effort: a log that cannot be opened does not block the start. */
function openLog(path: string): { fd: number; problem: string | null } {
  try {
    return { fd: openSync(path, 'a', 0o600), problem: null };
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE') throw error;
    return { fd: openSync('/dev/null', 'a'), problem: message };
  }
}

/** PocketBase would create a new, empty database in the place of a missing or empty one. */
function hasData(dataDir: string): boolean {
  const file = lstatSync(join(dataDir, 'data.db'), { throwIfNoEntry: false });
  return file !== undefined && (file.isSymbolicLink() || file.size > 0);
}
