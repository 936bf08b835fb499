/** A node that runs a database. */
export interface OtherNode {
  node: string;
  address: string;
  /** As this node has seen it last: `closed` when it was stopped, null while it moves or starts. */
  route():
    | { state: 'open'; address: string; port: number }
    | { state: 'closed' | 'failed' | 'deleted' }
    | null;
  /** Where the database is reached now; null while it moves or does not run. @throws FathomError `cluster.unavailable` */
  locate(): Promise<{ address: string; port: number } | null>;
}

/** Which databases of a fleet this node runs. Null for a single server, which runs all. */
export interface FleetShare {
  /** The node with the control plane; null when it is this one. */
  readonly leader: { node: string } | null;
  /** The other node that runs a database; null for one that this node runs, or may claim. */
  elsewhere(name: string): OtherNode | null;
  /** Calls `listener` when databases may have another owner. `rows`: only rows may be new or gone. */
  onOwners(listener: (what?: 'rows') => void): () => void;
  /** Calls `listener` with the names of databases whose routes have changed. */
  onRoutes(listener: (names: readonly string[]) => void): () => void;
}
