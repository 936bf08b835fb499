import { closeSync } from 'node:fs';
import type { Server } from 'node:http';
import { isAlive, processStat } from '../process/procfs.ts';
import type { Libc } from '../sandbox/libc.ts';
import { required } from '../sandbox/run-calls.ts';
import { SYSCALL } from '../sandbox/syscall-filter.ts';
import { BACKLOG, openListeningSocket, takeListeningSocket } from './listening-socket.ts';
import type { Handover } from './socket-handover.ts';
import { STARTING, type Unavailable } from './unavailable.ts';
import { startUnavailableServer } from './unavailable-server.ts';

/** Connections wait this long for a process. Then they get an answer. */
const MAX_WAIT_MS = 60_000;
const F_DUPFD_CLOEXEC = 1030;

export interface HeldPortState {
  port: number;
  /** The descriptor of the socket. */
  socket: number;
  address: string | null;
  /** Whether a process accepts connections, or they wait, or they get an answer. */
  mode: 'accepted' | 'waits' | 'answers';
  problem: Unavailable;
  /** The process that the socket was taken from. */
  servedBy: { pid: number; startTime: number } | null;
}

/**
 * The listening sockets of all databases. A socket stays open while no process of its database runs: connections wait
 * then, or get status 503 with the reason.
 */
export class HeldPorts {
  readonly #libc: Libc;
  readonly #ports = new Map<number, HeldPort>();

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** What the next program needs to hold the same sockets. */
  state(): HeldPortState[] {
    return Array.from(this.#ports, ([port, held]) => ({ port, ...held.state() }));
  }

  /** Continues with the sockets of the program before. */
  restore(states: readonly HeldPortState[]): void {
    for (const state of states) {
      const held = new HeldPort(this.#libc, state);
      this.#ports.set(state.port, held);
      held.resume(state);
    }
  }

  /** Opens the socket of a port. Does nothing when it is open. @throws an Error with the code of the system call */
  hold(address: string, port: number): void {
    const held = this.#ports.get(port);
    if (held && (held.address ?? address) === address) return;
    this.release(port);
    const socket = openListeningSocket(this.#libc, address, port);
    this.#ports.set(port, new HeldPort(this.#libc, { address, socket }));
  }

  /** Takes the socket with which a process listens. False when the kernel does not allow it. */
  take(pid: number, port: number): boolean {
    if (this.#ports.has(port)) return true;
    const socket = takeListeningSocket(this.#libc, pid, port);
    if (socket === null) return false;
    const held = new HeldPort(this.#libc, { address: null, socket });
    held.servedBy = { pid, startTime: processStat(pid)?.startTime ?? 0 };
    this.#ports.set(port, held);
    return true;
  }

  /** Whether a process that was not started here accepts connections of a port. */
  isServed(port: number): boolean {
    const server = this.#ports.get(port)?.servedBy ?? null;
    return server !== null && isAlive(server.pid, server.startTime);
  }

  /** Closes all sockets except those of some ports. */
  keepOnly(kept: ReadonlySet<number>): void {
    for (const port of this.#ports.keys()) if (!kept.has(port)) this.release(port);
  }

  /** Closes the socket. A running process keeps its own copy. */
  release(port: number): void {
    this.#ports.get(port)?.close();
    this.#ports.delete(port);
  }

  /** Answers requests with a problem: from now on, or only when they have waited too long. */
  explain(port: number, problem: Unavailable, when: 'now' | 'later'): void {
    const held = this.#ports.get(port);
    if (when === 'now') held?.answer(problem);
    else held?.explain(problem);
  }

  /** For a process that starts on the port; null when the socket is not held. */
  handover(port: number): Omit<Handover, 'isOnly'> | null {
    this.#ports.get(port)?.wait();
    return this.handoverOf(port);
  }

  /** For a process that has started; null when the socket is not held. */
  handoverOf(port: number): Omit<Handover, 'isOnly'> | null {
    const held = this.#ports.get(port);
    if (!held) return null;
    return {
      port,
      socket: () => (this.#ports.get(port) === held ? held.socket : null),
      onListen: () => held.listening(),
    };
  }

  /** The process on a port has ended: connections wait for the next one. */
  ended(port: number): void {
    this.#ports.get(port)?.wait();
  }
}

/** What happens to connections while no process accepts them. */
class HeldPort {
  readonly socket: number;
  /** Null for a socket of an adopted process. */
  readonly address: string | null;
  /** The process that the socket was taken from. */
  servedBy: { pid: number; startTime: number } | null = null;
  readonly #libc: Libc;
  #problem = STARTING;
  #server: Server | null = null;
  /** Whether the server answers because of the time that connections have waited. */
  #overdue = false;
  #deadline: NodeJS.Timeout | null = null;

  constructor(libc: Libc, { socket, address }: { socket: number; address: string | null }) {
    this.#libc = libc;
    this.socket = socket;
    this.address = address;
  }

  state(): Omit<HeldPortState, 'port'> {
    return {
      socket: this.socket,
      address: this.address,
      mode: this.#mode,
      problem: this.#problem,
      servedBy: this.servedBy,
    };
  }

  get #mode(): HeldPortState['mode'] {
    if (this.#server) return 'answers';
    return this.#deadline ? 'waits' : 'accepted';
  }

  resume({ mode, problem, servedBy }: Pick<HeldPortState, 'mode' | 'problem' | 'servedBy'>): void {
    this.servedBy = servedBy;
    if (mode === 'waits') this.wait();
    if (mode === 'answers') this.answer(problem);
  }

  /** Connections wait, at most `MAX_WAIT_MS`. Repeated starts do not prolong that. */
  wait(): void {
    if (this.#overdue || this.#deadline) return;
    this.#stopAnswering();
    this.#problem = STARTING;
    this.#deadline = setTimeout(() => {
      this.#overdue = true;
      this.#startAnswering();
    }, MAX_WAIT_MS);
  }

  explain(problem: Unavailable): void {
    this.#problem = problem;
  }

  answer(problem: Unavailable): void {
    this.#problem = problem;
    this.#clearDeadline();
    this.#startAnswering();
  }

  /** A process accepts the connections from now on. */
  listening(): void {
    this.#clearDeadline();
    this.#stopAnswering();
  }

  close(): void {
    this.listening();
    closeSync(this.socket);
  }

  #clearDeadline(): void {
    if (this.#deadline) clearTimeout(this.#deadline);
    this.#deadline = null;
    this.#overdue = false;
  }

  #startAnswering(): void {
    if (this.#server) return;
    // The server closes its descriptor at its end.
    const copy = required('fcntl', this.#libc.syscall(SYSCALL.fcntl, this.socket, F_DUPFD_CLOEXEC, 0));
    this.#server = startUnavailableServer(copy, () => this.#problem);
  }

  #stopAnswering(): void {
    if (!this.#server) return;
    this.#server.close();
    this.#server = null;
    // Node has set a shorter one.
    this.#libc.syscall(SYSCALL.listen, this.socket, BACKLOG);
  }
}
