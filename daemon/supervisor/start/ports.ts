import { createServer } from 'node:net';
import { FathomError } from '../../../shared/errors.ts';

/** The preferred place of a user in the port range: FNV-1a of the id, so that it is the same on every host. */
export function portOffset(userId: string, range: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(userId)) {
    hash ^= byte;
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return hash % range;
}

export type PortCheck = (host: string, port: number) => Promise<boolean>;

/** Says nothing of the port. */
const OWN_TROUBLE: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/** No other port of that address is better. */
const WRONG_ADDRESS: ReadonlySet<string | undefined> = new Set(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN']);

/**
 * True when nothing listens there now. Rejects when the daemon itself has no file descriptors left to find out, and for an
 * address that this host does not have.
 */
export const portIsFree: PortCheck = (host, port) =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (OWN_TROUBLE.has(error.code)) reject(error);
      else if (WRONG_ADDRESS.has(error.code)) {
        const remedy = 'set PB_BIND_ADDRESS to an address of this host, like 127.0.0.1';
        reject(new Error(`${host} is no address of this host (${error.code}); ${remedy}`));
      } else resolve(false);
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });

interface Claim {
  owner: string;
  /** False for an instance that is stopped: it keeps its port unless all others are taken. */
  active: boolean;
}

/**
 * Gives ports to instances. A claim is made before anything is awaited, so concurrent starts never get the same port;
 * whether a foreign process sits on it is looked at afterwards.
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

  /** Notes the port that an instance had, without looking at it; false when somebody else has it. */
  reserve(owner: string, port: number, active: boolean): boolean {
    const claim = this.#claims.get(port);
    if (claim && claim.owner !== owner) return false;
    this.#claims.set(port, { owner, active });
    return true;
  }

  /**
   * The preferred port, or the next free one after it, wrapping around.
   *
   * @param avoid ports on which the instance just failed to listen
   * @throws FathomError `ports.exhausted`
   */
  async claim(owner: string, preferred: number, avoid: ReadonlySet<number> = new Set()): Promise<number> {
    const first = (((preferred - this.#base) % this.#range) + this.#range) % this.#range;
    let foreign = 0;
    // Ports of stopped instances are taken only when there is no other.
    for (const takeInactive of [false, true]) {
      foreign = 0;
      for (let step = 0; step < this.#range; step += 1) {
        const port = this.#base + ((first + step) % this.#range);
        const before = this.#claims.get(port);
        const isOwn = before?.owner === owner;
        if (before && !isOwn && (before.active || !takeInactive)) continue;
        if (avoid.has(port)) {
          foreign += 1;
          continue;
        }
        this.#claims.set(port, { owner, active: true });
        let isFree = false;
        try {
          isFree = await this.#isFree(this.#host, port);
        } finally {
          if (isFree) this.#forgetOthers(owner, port);
          else if (before) this.#claims.set(port, before);
          else this.#claims.delete(port);
        }
        if (isFree) return port;
        foreign += 1;
      }
    }
    throw new FathomError(
      'ports.exhausted',
      `no free port in ${this.#base}–${this.#base + this.#range - 1}: ${this.#range - foreign} belong to the fleet, ` +
        `${foreign} to other processes; raise PB_PORT_RANGE or stop some instances`,
    );
  }

  /**
   * A port that cannot be another one. It is looked at before the start, as whoever sits on it might answer probes.
   *
   * @throws FathomError `server.port_in_use`
   */
  async claimFixed(port: number): Promise<number> {
    if (await this.#isFree(this.#host, port)) return port;
    throw new FathomError(
      'server.port_in_use',
      `port ${port} is in use by another process; end it, or set PB_GLOBAL_PORT to a free one`,
    );
  }

  /** The instance stopped: it keeps its port for as long as nobody else needs it. */
  rest(owner: string): void {
    for (const claim of this.#claims.values()) if (claim.owner === owner) claim.active = false;
  }

  /** The instance is gone for good. */
  release(owner: string): void {
    for (const [port, claim] of this.#claims) if (claim.owner === owner) this.#claims.delete(port);
  }

  #forgetOthers(owner: string, kept: number): void {
    for (const [port, claim] of this.#claims) {
      if (claim.owner === owner && port !== kept) this.#claims.delete(port);
    }
  }
}
