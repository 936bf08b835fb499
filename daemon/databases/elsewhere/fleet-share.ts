/** Which databases of a fleet this node runs. Null for a single server, which runs all. */
export interface FleetShare {
  /** The node with the control plane; null when it is this one. */
  readonly leader: { node: string } | null;
  /** The other node that runs a database; null for one that this node runs, or may claim. */
  elsewhere(name: string): { node: string; address: string } | null;
  /** Calls `listener` when databases may have another owner. */
  onOwners(listener: () => void): () => void;
}
