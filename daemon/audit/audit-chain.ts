import { createHmac, type KeyObject } from 'node:crypto';
import type { AuditEntry } from '../../shared/api/audit.ts';
import type { AuditRow } from '../../shared/hooks/control-plane-routes.ts';

/** The last row of the chain. */
export interface AuditHead {
  seq: number;
  hash: string;
}

export const EMPTY_CHAIN: AuditHead = { seq: 0, hash: '' };

/**
 * Creates the row that follows `head`. The hash is keyed: write access to the table alone is not enough to forge a valid
 * chain.
 */
export function linkEntry(key: KeyObject, head: AuditHead, entry: Omit<AuditEntry, 'seq'>): AuditRow {
  const numbered = { ...entry, seq: head.seq + 1 };
  return { ...numbered, previous: head.hash, hash: hashOf(key, head.hash, numbered) };
}

/** Returns why a row does not follow `head`, as a sentence; null when it does. */
export function findBreak(key: KeyObject, head: AuditHead, row: AuditRow): string | null {
  if (row.seq !== head.seq + 1) {
    return row.seq > head.seq + 1
      ? `row ${head.seq + 1} is missing`
      : `row ${row.seq} is in the place of row ${head.seq + 1}`;
  }
  if (row.previous !== head.hash) return `row ${row.seq} does not follow the row before it`;
  if (row.hash !== hashOf(key, row.previous, row)) return `row ${row.seq} was edited`;
  return null;
}

function hashOf(key: KeyObject, previous: string, entry: AuditEntry): string {
  const { seq, at, actor_kind, actor, address, action, target, outcome, detail, request_id } = entry;
  const text = JSON.stringify([
    previous,
    seq,
    at,
    actor_kind,
    actor,
    address,
    action,
    target,
    outcome,
    detail,
    request_id,
  ]);
  return createHmac('sha256', key).update(text).digest('hex');
}
