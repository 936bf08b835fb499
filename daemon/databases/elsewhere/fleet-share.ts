/** A node that runs a database. */
export interface OtherNode {
  node: string;
  address: string;
  /** Where the database is reached now; null while it moves or does not run. @throws FathomError `cluster.unavailable` */
  locate(): Promise<{ address: string; port: number } | null>;
}

/** Which databases of a fleet this node runs. Null for a single server, which runs all. */
export interface FleetShare {
  /** The node with the control plane; null when it is this one. */
  readonly leader: { node: string } | null;
  /** The other node that runs a database; null for one that this node runs, or may claim. */
  elsewhere(name: string): OtherNode | null;
  /** Calls `listener` when databases may have another owner. */
  onOwners(listener: () => void): () => void;
}
