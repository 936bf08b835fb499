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

export type PortCheck = (host: string, port: number) => Promise<boolean>;

/** Errors of the daemon itself, which say nothing about the port. */
const OWN_ERRORS: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/** Errors of the address, which are the same for every port. */
const ADDRESS_ERRORS: ReadonlySet<string | undefined> = new Set(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN']);

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

interface Claim {
  owner: string;
  /** False for a stopped instance, which keeps its port unless all other ports are taken. */
  active: boolean;
}

/**
 * Assigns ports to instances. A port is claimed before the first await, so concurrent starts never get the same one. Only
 * then is it checked for other processes.
 */
export class PortAllocator {
  readonly #host: string;
  readonly #base: number;
  readonly #range: number;
  readonly #isFree: PortCheck;
  readonly #claims = new Map<number, Claim>();

  constructor(options: { host: string; base: number; range: number; isFree?: PortCheck }) {
    this.#host = options.host;
    this.#base = options.base;
    this.#range = options.range;
    this.#isFree = options.isFree ?? portIsFree;
  }

  preferredFor(userId: string): number {
    return this.#base + portOffset(userId, this.#range);
  }

  /** Claims the last port of an instance without a check. False when another instance has it. */
  reserve(owner: string, port: number, active: boolean): boolean {
    const claim = this.#claims.get(port);
    if (claim && claim.owner !== owner) return false;
    this.#claims.set(port, { owner, active });
    return true;
  }

  /**
   * Claims the preferred port, or the next free one after it, wrapping around.
   *
   * @param avoid ports on which the instance has just failed to listen
   * @throws FathomError `ports.exhausted`
   */
  async claim(owner: string, preferred: number, avoid: ReadonlySet<number> = new Set()): Promise<number> {
    const first = (((preferred - this.#base) % this.#range) + this.#range) % this.#range;
    let usedByOthers = 0;
    // Ports of stopped instances are used only when no other port is free.
    for (const takeInactive of [false, true]) {
      usedByOthers = 0;
      for (let step = 0; step < this.#range; step += 1) {
        const port = this.#base + ((first + step) % this.#range);
        const before = this.#claims.get(port);
        const isOwn = before?.owner === owner;
        if (before && !isOwn && (before.active || !takeInactive)) continue;
        if (avoid.has(port)) {
          usedByOthers += 1;
          continue;
        }
        this.#claims.set(port, { owner, active: true });
        let isFree = false;
        try {
          isFree = await this.#isFree(this.#host, port);
        } finally {
          if (isFree) this.#releaseOthers(owner, port);
          else if (before) this.#claims.set(port, before);
          else this.#claims.delete(port);
        }
        if (isFree) return port;
        usedByOthers += 1;
      }
    }
    throw new FathomError(
      'ports.exhausted',
      `no free port in ${this.#base}–${this.#base + this.#range - 1}: ${this.#range - usedByOthers} belong to the fleet, ` +
        `${usedByOthers} to other processes; raise PB_PORT_RANGE or stop some instances`,
    );
  }

  /**
   * Claims a fixed port. It is checked before the start, because another process on it could answer the probes.
   *
   * @throws FathomError `server.port_in_use`
   */
  async claimFixed(port: number): Promise<number> {
    if (await this.#isFree(this.#host, port)) return port;
    throw new FathomError(
      'server.port_in_use',
      `port ${port} is in use by another process; stop it, or set PB_GLOBAL_PORT to a free port`,
    );
  }

  /** Marks the port of a stopped instance as inactive. It keeps the port until another instance needs it. */
  markInactive(owner: string): void {
    for (const claim of this.#claims.values()) if (claim.owner === owner) claim.active = false;
  }

  /** Releases the ports of a removed instance. */
  release(owner: string): void {
    for (const [port, claim] of this.#claims) if (claim.owner === owner) this.#claims.delete(port);
  }

  #releaseOthers(owner: string, kept: number): void {
    for (const [port, claim] of this.#claims) {
      if (claim.owner === owner && port !== kept) this.#claims.delete(port);
    }
  }
}
