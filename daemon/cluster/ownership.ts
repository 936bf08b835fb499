import type { OwnerRecord } from './records.ts';

/** What a node does before it starts a database. */
export type ClaimDecision =
  | { kind: 'keep' }
  | { kind: 'claim'; record: OwnerRecord }
  | { kind: 'refuse'; owner: string };

/**
 * Who may start a database. An owner that is gone keeps it: its server may still run the database without being seen. Only
 * the removal of that node frees it, by an administrator who knows that the server is off.
 *
 * @param owner null for a database that was never claimed
 */
export function decideClaim(owner: OwnerRecord | null, node: string, now: Date): ClaimDecision {
  if (owner === null || owner.node === null)
    return { kind: 'claim', record: { node, epoch: (owner?.epoch ?? 0) + 1, since: now.toISOString() } };
  return owner.node === node ? { kind: 'keep' } : { kind: 'refuse', owner: owner.node };
}

/** Frees a database of a removed node. The epoch stays, so that the next owner has a greater one. */
export function freed({ epoch }: OwnerRecord, now: Date): OwnerRecord {
  return { node: null, epoch, since: now.toISOString() };
}
