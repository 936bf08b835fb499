/** One TCP connection. */
export interface TrackedConnection {
  /** Its client can lose nothing: no complete request waits for a response, and no stream is open. */
  isIdle(): boolean;
  close(): void;
}

export interface ConnectionLimits {
  /** Of one network; read for each new connection. */
  perNetwork: () => number;
  total: number;
}

/**
 * Limits open connections, per network and in total. At a limit, a new connection takes the place of the oldest idle one: of its
 * own network, or in total of the network with the most connections. Without an idle one, the new connection is closed.
 */
export class ConnectionTable {
  readonly #limits: ConnectionLimits;
  /** By network, the oldest first. */
  readonly #networks = new Map<string, Set<TrackedConnection>>();
  #size = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Adds a connection. Returns false if there is no room for it.
   *
   * @param isShared a proxy or the local host, which many clients share: only the total limit applies
   */
  add(network: string, connection: TrackedConnection, isShared: boolean): boolean {
    const own = this.#networks.get(network);
    const isFull = !isShared && own !== undefined && own.size >= this.#limits.perNetwork();
    if (isFull && !this.#closeOldestIdle(network, own)) return false;
    if (this.#size >= this.#limits.total && !this.#makeRoom()) return false;
    const connections = this.#networks.get(network) ?? new Set();
    connections.add(connection);
    this.#networks.set(network, connections);
    this.#size += 1;
    return true;
  }

  remove(network: string, connection: TrackedConnection): void {
    const connections = this.#networks.get(network);
    if (!connections?.delete(connection)) return;
    this.#size -= 1;
    if (connections.size === 0) this.#networks.delete(network);
  }

  #makeRoom(): boolean {
    const byCount = [...this.#networks].toSorted(([, a], [, b]) => b.size - a.size);
    return byCount.some(([network, connections]) => this.#closeOldestIdle(network, connections));
  }

  #closeOldestIdle(network: string, connections: ReadonlySet<TrackedConnection>): boolean {
    for (const connection of connections) {
      if (!connection.isIdle()) continue;
      this.remove(network, connection);
      connection.close();
      return true;
    }
    return false;
  }
}
