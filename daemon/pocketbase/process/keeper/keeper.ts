import { closeSync, openSync } from 'node:fs';
import { messageOf } from '../../../../shared/errors.ts';
import type { PhaseReasonCode } from '../../../../shared/reasons.ts';
import { CONCURRENT_STARTS } from '../command.ts';
import { endIdleProcess } from '../idle-process.ts';
import { sendSignal } from '../signals.ts';
import type {
  Child,
  HoldRequest,
  HoldResult,
  KeeperReport,
  KeeperRequest,
  OpenRequest,
  ProcessExit,
  SleepRequest,
  SpawnCommand,
  SpawnRequest,
  Wake,
} from './keeper-protocol.ts';
import type { KeeperState, RunningChild } from './keeper-state.ts';
import { Lease } from './lease.ts';
import { cannotStart, logEnd, reasonOfExit, startProblem } from './own-starts.ts';
import { SleepCommands } from './sleep-commands.ts';
import type { Starter } from './starters.ts';

/** A start that takes longer no longer counts. */
const MAX_START_MS = 5_000;

/** A process that the keeper has started without a daemon. */
interface OwnStart {
  command: SpawnCommand;
  /** Where its output begins in the log. */
  logStart: number;
  hasListened: boolean;
}

type HandledRequest = Exclude<KeeperRequest, { kind: 'replace' | 'goodbye' }>;

/** Handles the requests of a daemon. While none is connected, it wakes sleeping databases itself. */
export class Keeper {
  readonly #starter: Starter;
  readonly #send: (report: KeeperReport) => void;
  readonly #hasDaemon: () => boolean;
  /** How to start the processes of sleeping databases, by port. */
  readonly #sleeping: SleepCommands;
  /** Ports with a waiting connection whose process has not started. */
  readonly #ringing = new Set<number>();
  /** Ports whose databases the keeper could not start. They answer with status 503 until a daemon comes. */
  readonly #failed: Set<number>;
  /** Starts in progress, by port. */
  readonly #starting = new Map<number, NodeJS.Timeout>();
  /** By port. */
  readonly #own = new Map<number, OwnStart>();
  /** Wakes without a daemon, by port. The next daemon counts them. */
  readonly #wakes: Map<number, Wake>;
  readonly #lease: Lease;

  constructor(
    starter: Starter,
    send: (report: KeeperReport) => void,
    { hasDaemon, state }: { hasDaemon: () => boolean; state: KeeperState | null },
  ) {
    this.#starter = starter;
    this.#send = send;
    this.#hasDaemon = hasDaemon;
    this.#sleeping = new SleepCommands(state?.sleeping);
    this.#failed = new Set(state?.failed);
    this.#wakes = new Map(state?.wakes?.map((wake) => [wake.port, wake]));
    this.#lease = new Lease(state?.lease ?? null, () => this.#killAll());
  }

  /** What the next program needs. */
  state(): Pick<KeeperState, 'sleeping' | 'wakes' | 'failed' | 'lease'> {
    return {
      sleeping: this.#sleeping.entries(),
      wakes: [...this.#wakes.values()],
      failed: [...this.#failed],
      lease: this.#lease.until,
    };
  }

  /** Whether it must not end: it has processes, or wakes databases, or says why it cannot. */
  get isNeeded(): boolean {
    return this.#starter.children().length > 0 || this.#sleeping.size > 0 || this.#failed.size > 0;
  }

  /** The daemon ends, and has said what is to sleep. */
  forgetFailed(): void {
    this.#failed.clear();
  }

  /** A connection waits at the port of a sleeping database. */
  ring(port: number): void {
    this.#ringing.add(port);
    this.#send({ id: 0, kind: 'ring', port });
    if (!this.#hasDaemon()) this.wake();
  }

  /** A process accepts connections. */
  listens(port: number): void {
    const own = this.#own.get(port);
    if (own) own.hasListened = true;
    this.#started(port);
  }

  /** A process has ended. Without a daemon, its database sleeps again, or its clients get the reason. */
  ended(port: number, exit: ProcessExit): void {
    const own = this.#own.get(port);
    this.#own.delete(port);
    if (!own || this.#hasDaemon()) return;
    if (own.hasListened) {
      this.#sleeping.set(port, own.command);
      this.#starter.ports?.sleep(port, false);
    } else this.#giveUp(port, reasonOfExit(exit, own.command, own.logStart));
    this.#started(port);
  }

  #giveUp(port: number, code: PhaseReasonCode): void {
    this.#forget(port);
    this.#failed.add(port);
    this.#starter.ports?.explain(port, cannotStart(code), 'now');
  }

  /** The start of a process is complete, or has failed. */
  #started(port: number): void {
    clearTimeout(this.#starting.get(port));
    this.#starting.delete(port);
    if (!this.#hasDaemon()) this.wake();
  }

  /** Starts databases with waiting connections, in the order of their connections. */
  wake(): void {
    if (this.#lease.isOver) return;
    for (const port of this.#ringing) {
      if (this.#starting.size >= CONCURRENT_STARTS) return;
      const command = this.#sleeping.get(port);
      // The daemon ended before it sent the command: the next one starts the process.
      if (command === null) continue;
      this.#ringing.delete(port);
      if (command === undefined) continue;
      const problem = startProblem(command);
      if (problem !== null) {
        this.#giveUp(port, problem);
        continue;
      }
      const timeout = setTimeout(() => this.#started(port), MAX_START_MS);
      this.#starting.set(port, timeout);
      void this.#startOwn(port, command);
    }
  }

  async #startOwn(port: number, command: SpawnCommand): Promise<void> {
    const own = { command, logStart: logEnd(command), hasListened: false };
    if (await this.#start({ id: 0, kind: 'spawn', ...command })) {
      this.#own.set(port, own);
      const count = (this.#wakes.get(port)?.count ?? 0) + 1;
      this.#wakes.set(port, { port, count, at: new Date().toISOString() });
    } else {
      this.#giveUp(port, 'spawn_failed');
      this.#started(port);
    }
  }

  #killAll(): void {
    for (const { pid } of this.#starter.children()) sendSignal(-pid, 'SIGKILL');
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
      case 'lease':
        this.#lease.set(request.until);
        break;
      case 'support':
        this.#send({ id: request.id, kind: 'support', support: this.#starter.support });
        break;
      case 'absence':
        this.#send({
          id: request.id,
          kind: 'absence',
          wakes: [...this.#wakes.values()],
          failed: [...this.#failed],
        });
        this.#wakes.clear();
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
      case 'open':
        this.#send({ id: request.id, kind: 'opened', closed: this.#open(request) });
        break;
      case 'commands':
        this.#sleeping.setPacked(request);
        this.#send({ id: request.id, kind: 'pong' });
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
    this.#starter.ports?.keepOnly(new Set([...used, ...this.#sleeping.ports(), ...this.#failed]));
  }

  async #sleep(request: SleepRequest): Promise<void> {
    try {
      const result = await this.#fallAsleep(request);
      this.#send({ id: request.id, kind: 'hold', result });
    } catch (error) {
      this.#fail(request, error);
    }
  }

  async #fallAsleep({ address, port, command, pid, closeQuiet = false }: SleepRequest): Promise<HoldResult> {
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
      if (!isIt) return 'has_clients';
      const connections = () => ports.connectionsOf(pid, port);
      const end = await endIdleProcess(pid, hasWaiting, { connections, closeQuiet });
      if (end !== 'ended') return end === 'quiet_clients' ? 'has_quiet_clients' : 'has_clients';
    }
    this.#forget(port);
    this.#sleeping.set(port, command);
    ports.sleep(port, this.#hasProcess(port));
    return 'held';
  }

  /** Returns the ports that cannot be opened. */
  #open({ address, asleep, starting, early = [] }: OpenRequest): number[] {
    const { ports } = this.#starter;
    const closed: number[] = [];
    const open = (port: number) => {
      const isOpen = this.#hold({ address, port }) === 'held';
      if (!isOpen) closed.push(port);
      return isOpen;
    };
    for (const port of asleep) {
      if (!open(port)) continue;
      this.#ringing.delete(port);
      this.#failed.delete(port);
      this.#sleeping.add(port);
      ports?.sleep(port, false);
    }
    for (const port of starting) if (open(port)) ports?.wait(port);
    for (const port of early) open(port);
    return closed;
  }

  #forget(port: number): void {
    this.#sleeping.delete(port);
    this.#ringing.delete(port);
    this.#failed.delete(port);
    this.#own.delete(port);
  }

  #hasProcess(port: number): boolean {
    return this.#starter.ports?.isServed(port) === true || this.#childOf(port) !== undefined;
  }

  #childOf(port: number): RunningChild | undefined {
    return this.#starter.children().find((child) => child.port === port);
  }

  /** False when it could not be started, which is reported. */
  async #start(request: SpawnRequest): Promise<boolean> {
    const { port } = request.sandbox;
    if (port !== null) this.#forget(port);
    try {
      if (this.#lease.isOver) throw new Error('the lease of this node is over');
      const { fd: log, problem: logProblem } = openLog(request.logFile);
      try {
        const started = await this.#starter.start(request, log);
        this.#send({ id: request.id, kind: 'spawned', ...started, logProblem });
        return true;
      } finally {
        closeSync(log);
      }
    } catch (error) {
      this.#report(request, error);
      return false;
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
