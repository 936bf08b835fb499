import { closeSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Libc } from '../sandbox/libc.ts';
import { required } from '../sandbox/run-calls.ts';
import { SYSCALL } from '../sandbox/syscall-filter.ts';
import { BACKLOG, deferSilentConnections, hasWaitingConnection } from './listening-socket.ts';
import type { Readiness } from './readiness.ts';
import { STARTING, type Unavailable } from './unavailable.ts';
import { startUnavailableServer } from './unavailable-server.ts';
import { closeWaiting, waitingConnections } from './waiting-connections.ts';

/** Connections wait this long for a process. Then they get an answer. */
const MAX_WAIT_MS = 60_000;
/** With more connections, the keeper has no time for others: PocketBase gets them. */
const MAX_LOOKS_PER_S = 10;
const F_DUPFD_CLOEXEC = 1030;

export interface HeldPortState {
  /** The descriptor of the socket. */
  socket: number;
  address: string | null;
  /** Whether a process accepts connections, or they wait, or they get an answer, or the first one is to be reported. */
  mode: 'accepted' | 'waits' | 'answers' | 'sleeps';
  problem: Unavailable;
  /** The process that the socket was taken from. */
  servedBy: { pid: number; startTime: number } | null;
  /** Whether its database sleeps when the process has ended. */
  sleepsNext?: boolean;
}

export interface HeldPortDeps {
  libc: Libc;
  readiness: Readiness;
}

/** What happens to connections while no process accepts them. */
export class HeldPort {
  readonly socket: number;
  /** Null for a socket of an adopted process. */
  readonly address: string | null;
  /** The process that the socket was taken from. */
  servedBy: { pid: number; startTime: number } | null = null;
  readonly #deps: HeldPortDeps;
  readonly #port: number;
  readonly #onRing: () => void;
  #problem = STARTING;
  /** When `#problem` was set, in milliseconds of `performance.now`. */
  #problemSince = 0;
  #server: Server | null = null;
  /** Whether the server answers because of the time that connections have waited. */
  #overdue = false;
  #deadline: NodeJS.Timeout | null = null;
  #looks = { second: 0, count: 0 };
  #sleep: 'no' | 'next' | 'now' = 'no';

  constructor(
    deps: HeldPortDeps,
    { socket, address, port }: { socket: number; address: string | null; port: number },
    onRing: () => void,
  ) {
    this.#deps = deps;
    this.#onRing = onRing;
    this.socket = socket;
    this.#port = port;
    this.address = address;
  }

  state(): HeldPortState {
    return {
      socket: this.socket,
      address: this.address,
      mode: this.#mode,
      problem: this.#currentProblem(),
      servedBy: this.servedBy,
      sleepsNext: this.#sleep === 'next',
    };
  }

  get #mode(): HeldPortState['mode'] {
    if (this.#sleep === 'now') return 'sleeps';
    if (this.#server) return 'answers';
    return this.#deadline ? 'waits' : 'accepted';
  }

  resume({ mode, problem, servedBy, sleepsNext }: HeldPortState): void {
    this.servedBy = servedBy;
    this.#sleep = sleepsNext === true ? 'next' : 'no';
    if (mode === 'sleeps') this.sleep(false);
    if (mode === 'waits') this.wait();
    if (mode === 'answers') this.answer(problem);
  }

  /** Connections wait, at most `MAX_WAIT_MS`. Repeated starts do not prolong that. */
  wait(): void {
    if (this.#overdue || this.#deadline) return;
    this.#stopAnswering();
    this.explain(STARTING);
    this.#deadline = setTimeout(() => {
      this.#overdue = true;
      this.#startAnswering();
    }, MAX_WAIT_MS);
  }

  sleep(hasProcess: boolean): void {
    this.#sleep = 'next';
    if (!hasProcess) this.ended();
  }

  /** A process starts: the database no longer sleeps. */
  starts(): void {
    this.#wake();
    this.wait();
  }

  ended(): void {
    if (this.#sleep === 'no') this.wait();
    else this.#fallAsleep();
  }

  #fallAsleep(): void {
    this.listening();
    this.#sleep = 'now';
    deferSilentConnections(this.#deps.libc, this.socket, true);
    this.#deps.readiness.add(this.socket, () => {
      if (this.#closeEnded()) return;
      this.#wake();
      this.wait();
      this.#onRing();
    });
  }

  /**
   * Closes the waiting connections if all have ended without a request, as after a port scan. False when the database has to
   * wake for them.
   */
  #closeEnded(): boolean {
    const { libc } = this.#deps;
    const second = Math.floor(performance.now() / 1_000);
    this.#looks = { second, count: this.#looks.second === second ? this.#looks.count + 1 : 1 };
    if (this.#looks.count > MAX_LOOKS_PER_S) return false;
    const waiting = waitingConnections(libc, this.#port);
    if (waiting === null || waiting.hasClient) return false;
    // Later connections come after these.
    return closeWaiting(libc, this.socket, waiting.count) > 0;
  }

  #wake(): void {
    if (this.#sleep === 'now') {
      this.#deps.readiness.remove(this.socket);
      deferSilentConnections(this.#deps.libc, this.socket, false);
    }
    this.#sleep = 'no';
  }

  hasWaitingConnection(): boolean {
    return hasWaitingConnection(this.#deps.libc, this.socket);
  }

  explain(problem: Unavailable): void {
    this.#problem = problem;
    this.#problemSince = performance.now();
  }

  /** Clients that come later need to wait less. */
  #currentProblem(): Unavailable {
    const { retryAfterS } = this.#problem;
    // Connections have waited for this start already: how long it still takes is not known.
    if (retryAfterS === null || this.#problem === STARTING) return this.#problem;
    const left = Math.ceil(retryAfterS - (performance.now() - this.#problemSince) / 1000);
    return { ...this.#problem, retryAfterS: Math.max(1, left) };
  }

  answer(problem: Unavailable): void {
    this.#wake();
    this.explain(problem);
    this.#clearDeadline();
    this.#startAnswering();
  }

  /** A process accepts the connections from now on. */
  listening(): void {
    this.#clearDeadline();
    this.#stopAnswering();
  }

  close(): void {
    this.#wake();
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
    const copy = required('fcntl', this.#deps.libc.syscall(SYSCALL.fcntl, this.socket, F_DUPFD_CLOEXEC, 0));
    this.#server = startUnavailableServer(copy, () => this.#currentProblem());
  }

  #stopAnswering(): void {
    if (!this.#server) return;
    this.#server.close();
    this.#server = null;
    // Node has set a shorter one.
    this.#deps.libc.syscall(SYSCALL.listen, this.socket, BACKLOG);
  }
}
