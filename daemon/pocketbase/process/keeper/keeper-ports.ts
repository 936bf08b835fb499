import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Unavailable } from '../../sockets/unavailable.ts';
import { isAlive } from '../procfs.ts';
import type { KeeperClient } from './keeper-client.ts';
import type { HoldResult, OpenedPorts, ProcessExit, SpawnCommand } from './keeper-protocol.ts';
import { packCommands } from './sleep-commands.ts';

/** A process that may listen on a port. */
interface Listener {
  pid: number;
  startTime: number;
  exited: Promise<ProcessExit>;
}

/** The listening sockets of this fleet, which the keeper holds. A new keeper gets them again. */
export class KeeperPorts {
  readonly #keeper: KeeperClient;
  readonly #held = new Set<number>();
  /** Processes that may listen on a port, by pid. */
  readonly #listening = new Map<number, { port: number; startTime: number }>();
  #onRing: (port: number) => void = () => {};
  #onLost: () => void = () => {};

  constructor(keeper: KeeperClient) {
    this.#keeper = keeper;
  }

  /** Calls the listener when a connection waits at the port of a sleeping database. */
  onRing(listener: (port: number) => void): void {
    this.#onRing = listener;
  }

  ring(port: number): void {
    this.#onRing(port);
  }

  /** Calls the listener when the keeper has ended: no database sleeps any more until `sleep` is called again. */
  onLost(listener: () => void): void {
    this.#onLost = listener;
  }

  /** Opens the socket of a port. False when another process has the port; null when this host cannot hold sockets. */
  async hold(host: string, port: number): Promise<boolean | null> {
    const result = await this.#hold({ kind: 'hold', address: await addressOf(host), port });
    return result === 'unsupported' ? null : result === 'held';
  }

  /** Takes the socket of a process of an earlier daemon. */
  async take(process: Listener, port: number): Promise<boolean> {
    void this.noteListening(process, port);
    return (await this.#hold({ kind: 'take', pid: process.pid, port })) === 'held';
  }

  /** Notes the port of a process until its exit. */
  async noteListening({ pid, startTime, exited }: Listener, port: number): Promise<void> {
    const entry = { port, startTime };
    this.#listening.set(pid, entry);
    await exited;
    if (this.#listening.get(pid) === entry) this.#listening.delete(pid);
  }

  isHeld(port: number): boolean {
    return this.#held.has(port);
  }

  release(port: number): void {
    this.#held.delete(port);
    this.#keeper.tell({ kind: 'release', port });
  }

  explain(port: number, problem: Unavailable, when: 'now' | 'later'): void {
    this.#keeper.tell({ kind: 'explain', port, problem, when });
  }

  /** See `PortHolder`. */
  async sleep(
    host: string,
    port: number,
    command: SpawnCommand,
    { pid, closeQuiet }: { pid: number | null; closeQuiet: boolean },
  ): Promise<HoldResult> {
    // A socket that the keeper does not hold belongs to the process.
    if (pid !== null && !this.#held.has(port)) return 'unsupported';
    return this.#hold({ kind: 'sleep', address: await addressOf(host), port, command, pid, closeQuiet });
  }

  /** See `PortHolder`. */
  async open(
    host: string,
    { asleep = [], starting = [], early = [] }: Partial<OpenedPorts>,
  ): Promise<ReadonlySet<number>> {
    const ports = [...asleep, ...starting, ...early];
    let closed: ReadonlySet<number>;
    try {
      const address = await addressOf(host);
      closed = new Set(await this.#keeper.open({ kind: 'open', address, asleep, starting, early }));
    } catch {
      // As in `#hold`.
      closed = new Set(ports);
    }
    for (const port of ports) if (!closed.has(port)) this.#held.add(port);
    return closed;
  }

  /** See `PortHolder`. */
  async sendCommands(commands: readonly { port: number; command: SpawnCommand }[]): Promise<void> {
    await this.#keeper.sendCommands(packCommands(commands));
  }

  /** Best effort, after the keeper has ended: the next one takes the sockets of running processes. */
  async restore(): Promise<void> {
    this.#held.clear();
    this.#onLost();
    for (const [pid, { port, startTime }] of this.#listening) {
      if (isAlive(pid, startTime)) await this.#hold({ kind: 'take', pid, port });
    }
  }

  /** Without a keeper, the socket is not held. */
  async #hold(request: Parameters<KeeperClient['hold']>[0]): Promise<HoldResult> {
    let result: HoldResult;
    try {
      result = await this.#keeper.hold(request);
    } catch {
      result = 'unsupported';
    }
    if (result === 'held') this.#held.add(request.port);
    // In use: another database may have asked in vain for a port that is held for its owner.
    else if (result === 'unsupported') this.#held.delete(request.port);
    return result;
  }
}

async function addressOf(host: string): Promise<string> {
  return isIP(host) === 0 ? (await lookup(host, { order: 'ipv4first' })).address : host;
}
