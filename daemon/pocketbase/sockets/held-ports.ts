import { isAlive, processStat } from '../process/procfs.ts';
import type { Libc } from '../sandbox/libc.ts';
import { type ConnectionState, clientConnections } from './client-connections.ts';
import { HeldPort, type HeldPortDeps, type HeldPortState } from './held-port.ts';
import { openListeningSocket, takeListeningSocket } from './listening-socket.ts';
import type { Readiness } from './readiness.ts';
import type { Handover } from './socket-handover.ts';
import type { Unavailable } from './unavailable.ts';

/** The sockets of all ports, for the next program. */
export type HeldPortStates = ({ port: number } & HeldPortState)[];

export interface PortEvents {
  /** A connection waits at the port of a sleeping database. Reported once until the database sleeps again. */
  onRing: (port: number) => void;
  /** A process accepts connections. */
  onListen: (port: number) => void;
}

/**
 * The listening sockets of all databases. A socket stays open while no process of its database runs: connections wait
 * then, or get status 503 with the reason.
 */
export class HeldPorts {
  readonly #deps: HeldPortDeps;
  readonly #events: PortEvents;
  readonly #ports = new Map<number, HeldPort>();

  constructor(libc: Libc, readiness: Readiness, events: PortEvents) {
    this.#deps = { libc, readiness };
    this.#events = events;
  }

  /** What the next program needs to hold the same sockets. */
  state(): HeldPortStates {
    return Array.from(this.#ports, ([port, held]) => ({ port, ...held.state() }));
  }

  /** Continues with the sockets of the program before. */
  restore(states: Readonly<HeldPortStates>): void {
    for (const state of states) {
      this.#add(state.port, state).resume(state);
    }
  }

  /** Opens the socket of a port. Does nothing when it is open. @throws an Error with the code of the system call */
  hold(address: string, port: number): void {
    const held = this.#ports.get(port);
    if (held && (held.address ?? address) === address) return;
    this.release(port);
    this.#add(port, { address, socket: openListeningSocket(this.#deps.libc, address, port) });
  }

  #add(port: number, socket: { address: string | null; socket: number }): HeldPort {
    const held = new HeldPort(this.#deps, { ...socket, port }, () => this.#events.onRing(port));
    this.#ports.set(port, held);
    return held;
  }

  /** Takes the socket with which a process listens. False when the kernel does not allow it. */
  take(pid: number, port: number): boolean {
    if (this.#ports.has(port)) return true;
    const socket = takeListeningSocket(this.#deps.libc, pid, port);
    if (socket === null) return false;
    this.#add(port, { address: null, socket }).servedBy = {
      pid,
      startTime: processStat(pid)?.startTime ?? 0,
    };
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

  /**
   * Lets the database of a port sleep: at once without a process, else when its process has ended. Connections wait, and
   * the first one with a request is reported. The socket must be held.
   */
  sleep(port: number, hasProcess: boolean): void {
    this.#ports.get(port)?.sleep(hasProcess);
  }

  /** Connections wait for a process that starts soon. The socket must be held. */
  wait(port: number): void {
    this.#ports.get(port)?.starts();
  }

  has(port: number): boolean {
    return this.#ports.has(port);
  }

  /** Whether a connection waits at a held socket. */
  hasWaitingConnection(port: number): boolean {
    return this.#ports.get(port)?.hasWaitingConnection() ?? false;
  }

  /** Of a stopped process with the clients of a port. */
  connectionsOf(pid: number, port: number): ConnectionState {
    return clientConnections(this.#deps.libc, pid, port);
  }

  /** For a process that starts on the port; null when the socket is not held. */
  handover(port: number): Omit<Handover, 'isOnly'> | null {
    this.wait(port);
    return this.handoverOf(port);
  }

  /** For a process that has started; null when the socket is not held. */
  handoverOf(port: number): Omit<Handover, 'isOnly'> | null {
    const held = this.#ports.get(port);
    if (!held) return null;
    return {
      port,
      socket: () => (this.#ports.get(port) === held ? held.socket : null),
      onListen: () => {
        held.listening();
        this.#events.onListen(port);
      },
    };
  }

  /** The process on a port has ended: connections wait for the next one. */
  ended(port: number): void {
    this.#ports.get(port)?.ended();
  }
}
