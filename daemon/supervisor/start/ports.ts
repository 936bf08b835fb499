import { createServer } from 'node:net';
import { FathomError } from '../../../shared/errors.ts';

/** The preferred offset of a user in the port range: FNV-1a of the id, which is the same on every host. */
export function portOffset(userId: string, range: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(userId)) {
    hash ^= byte;
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return hash % range;
}

const NONE: readonly number[] = [];

export type PortCheck = (host: string, port: number) => Promise<boolean>;

/** Opens and closes the listening sockets of ports. */
export interface PortSockets {
  /** False when another process has the port. */
  hold: PortCheck;
  release: (port: number) => void;
}

/** Errors of the daemon itself, which say nothing about the port. */
const OWN_ERRORS: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/** Errors of the address, which are the same for every port. EINVAL: a link-local IPv6 address without an interface. */
const ADDRESS_ERRORS: ReadonlySet<string | undefined> = new Set([
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EAI_AGAIN',
  'EINVAL',
  'ENOTFOUND',
]);

/** Whether a port is free now. Rejects when the daemon has no free file descriptors, or when the address is invalid. */
export const portIsFree: PortCheck = (host, port) =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (OWN_ERRORS.has(error.code)) reject(error);
      else if (ADDRESS_ERRORS.has(error.code)) {
        const remedy = 'set PB_BIND_ADDRESS to an address of this host, like 127.0.0.1';
        reject(new Error(`${host} is not an address of this host (${error.code}); ${remedy}`));
      } else resolve(false);
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });

/**
 * Assigns ports to instances. An owner keeps its ports until they are freed, also while it is stopped, so that a client of
 * one instance never reaches another one. A port is claimed before the first await, so concurrent starts never get the same
 * one. Only then is it checked for other processes.
 */
export class PortAllocator {
  readonly #host: string;
  readonly #base: number;
  readonly #range: number;
  readonly #sockets: PortSockets;
  readonly #owners = new Map<number, string>();
  readonly #portsOf = new Map<string, number[]>();
  /** Ports that clients of a former owner may still use, in the order in which they were freed. */
  readonly #freed = new Set<number>();

  constructor(options: { host: string; base: number; range: number; sockets?: PortSockets }) {
    this.#host = options.host;
    this.#base = options.base;
    this.#range = options.range;
    this.#sockets = options.sockets ?? { hold: portIsFree, release: () => {} };
  }

  preferredFor(userId: string): number {
    return this.#base + portOffset(userId, this.#range);
  }

  /** Whether the settings still allow a port. */
  isInRange(port: number): boolean {
    return port >= this.#base && port < this.#base + this.#range;
  }

  /** Notes ports that were freed before this start, the oldest first. */
  noteFreed(ports: Iterable<number>): void {
    for (const port of ports) this.#freed.add(port);
  }

  /** Keeps the port of an instance that has no process. False when another instance has it, or outside of the range. */
  reserve(owner: string, port: number): boolean {
    const holder = this.#owners.get(port);
    if ((holder !== undefined && holder !== owner) || !this.isInRange(port)) return false;
    this.#take(owner, port);
    return true;
  }

  /** Opens the socket of a port that an owner keeps, so that its clients get an answer. False when that is not possible. */
  async open(owner: string, port: number): Promise<boolean> {
    return this.#owners.get(port) === owner && (await this.#sockets.hold(this.#host, port));
  }

  /** The instance that has a port; null for a free one. */
  ownerOf(port: number): string | null {
    return this.#owners.get(port) ?? null;
  }

  /** Claims the port on which a process of this instance listens. A former owner loses it. */
  adopt(owner: string, port: number): void {
    this.#take(owner, port);
  }

  /**
   * Claims the preferred port, or the next free one after it, wrapping around. Ports of former owners come last, the one
   * that was freed first before all others.
   *
   * @param avoid ports on which the instance has just failed to listen
   * @throws FathomError `ports.exhausted`
   */
  async claim(owner: string, preferred: number, avoid: ReadonlySet<number> = new Set()): Promise<number> {
    let usedByOthers = 0;
    for (const port of this.#candidates(owner, preferred)) {
      const isOwn = this.#owners.get(port) === owner;
      let isFree = false;
      if (!avoid.has(port)) {
        this.#take(owner, port);
        try {
          isFree = await this.#sockets.hold(this.#host, port);
        } finally {
          // Its socket is not closed: it may be held for the process that uses the port.
          if (!isFree && !isOwn && this.#owners.get(port) === owner) this.#drop(port);
        }
      }
      if (isFree) {
        this.#freed.delete(port);
        return port;
      }
      usedByOthers += 1;
    }
    throw new FathomError(
      'ports.exhausted',
      `no free port in ${this.#base}–${this.#base + this.#range - 1}: ${this.#range - usedByOthers} belong to the fleet, ` +
        `${usedByOthers} to other processes; raise PB_PORT_RANGE, or delete databases that are not needed`,
    );
  }

  /** The ports to try, each once. Reads the claims at the time of each step. */
  *#candidates(owner: string, preferred: number): Generator<number> {
    const first = (((preferred - this.#base) % this.#range) + this.#range) % this.#range;
    const isOpen = (port: number) => (this.#owners.get(port) ?? owner) === owner;
    const tried = new Set<number>();
    for (let step = 0; step < this.#range; step += 1) {
      const port = this.#base + ((first + step) % this.#range);
      if (!isOpen(port) || (this.#freed.has(port) && this.#owners.get(port) !== owner)) continue;
      tried.add(port);
      yield port;
    }
    for (const port of Array.from(this.#freed)) {
      if (this.isInRange(port) && isOpen(port) && !tried.has(port)) yield port;
    }
  }

  /**
   * Claims a fixed port. It is checked before the start, because another process on it could answer the probes.
   *
   * @throws FathomError `server.port_in_use`
   */
  async claimFixed(owner: string, port: number): Promise<number> {
    this.#take(owner, port);
    if (await this.#sockets.hold(this.#host, port)) return port;
    throw new FathomError(
      'server.port_in_use',
      `port ${port} is in use by another process; stop it, or set PB_GLOBAL_PORT to a free port`,
    );
  }

  /** Frees all ports of an owner except one, which its row names. */
  keepOnly(owner: string, kept: number): void {
    if (!this.#owners.has(kept)) this.#take(owner, kept);
    for (const port of this.#claimsOf(owner)) if (port !== kept) this.#free(port);
  }

  /** Frees the ports of a removed instance. */
  release(owner: string): void {
    for (const port of this.#claimsOf(owner)) this.#free(port);
  }

  /** Closes the sockets of an owner that keeps its ports. */
  close(owner: string): void {
    for (const port of this.#claimsOf(owner)) this.#sockets.release(port);
  }

  /** Gives the claims of one owner to another. */
  transfer(from: string, to: string): void {
    for (const port of this.#claimsOf(from)) this.#take(to, port);
  }

  /** Drops a claim on a port that its owner never used. */
  cancel(owner: string, port: number): void {
    if (this.#owners.get(port) !== owner) return;
    this.#drop(port);
    this.#sockets.release(port);
  }

  #claimsOf(owner: string): readonly number[] {
    return this.#portsOf.get(owner) ?? NONE;
  }

  #take(owner: string, port: number): void {
    this.#drop(port);
    this.#owners.set(port, owner);
    // Most have one, so an array takes the least memory.
    this.#portsOf.set(owner, [...this.#claimsOf(owner), port]);
  }

  #drop(port: number): void {
    const owner = this.#owners.get(port);
    if (owner === undefined) return;
    this.#owners.delete(port);
    const others = this.#claimsOf(owner).filter((one) => one !== port);
    if (others.length > 0) this.#portsOf.set(owner, others);
    else this.#portsOf.delete(owner);
  }

  #free(port: number): void {
    this.#drop(port);
    this.#sockets.release(port);
    this.#freed.delete(port);
    this.#freed.add(port);
  }
}
