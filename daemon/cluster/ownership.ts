import type { OwnerRecord } from './records.ts';

/** What a node does before it starts a database. */
export type ClaimDecision =
  | { kind: 'keep' }
  | { kind: 'claim'; record: OwnerRecord }
  | { kind: 'refuse'; owner: string }
  /** Another node can have it. */
  | { kind: 'leave' };

/**
 * Who may start a database. A node that is offline keeps it, because its server may still run the database without being
 * seen. Two things free it: an administrator who removes the node, and the node itself, which ends its databases with its
 * session when it has a fence, and has a replica of them that has everything. A node that is drained keeps what it has, and claims only databases
 * that are new.
 *
 * @param owner null for a database that was never claimed
 * @param isEnded whether the owner is offline, and its databases ended with its session
 * @param isDrained whether `node` is drained
 */
export function decideClaim(
  owner: OwnerRecord | null,
  node: string,
  { now, isEnded, isDrained }: { now: Date; isEnded: boolean; isDrained: boolean },
): ClaimDecision {
  if (owner?.node === node) return { kind: 'keep' };
  const source = owner?.source ?? null;
  const isWhole = source !== null && owner?.lacks === undefined;
  if (owner !== null && owner.node !== null && !(isEnded && isWhole))
    return { kind: 'refuse', owner: owner.node };
  if (owner !== null && isDrained) return { kind: 'leave' };
  return {
    kind: 'claim',
    record: { node, epoch: (owner?.epoch ?? 0) + 1, since: now.toISOString(), source },
  };
}

/** Frees a database of a removed node. The epoch stays, so that the next owner has a greater one. */
export function freed({ epoch, source }: OwnerRecord, now: Date): OwnerRecord {
  return { node: null, epoch, since: now.toISOString(), source };
}
