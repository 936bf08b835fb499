import { createHmac, type KeyObject } from 'node:crypto';
import type { AuditEntry } from '../../shared/audit.ts';

/** A row as it is kept. */
export interface AuditRow extends AuditEntry {
  /** Hash of the row before it; empty for the first. */
  previous: string;
  hash: string;
}

/** The end of the chain. */
export interface AuditHead {
  seq: number;
  hash: string;
}

export const EMPTY_CHAIN: AuditHead = { seq: 0, hash: '' };

/** Keyed, so that whoever can write the table but does not have the daemon's keys cannot make a chain that fits. */
export function link(key: KeyObject, head: AuditHead, entry: Omit<AuditEntry, 'seq'>): AuditRow {
  const numbered = { ...entry, seq: head.seq + 1 };
  return { ...numbered, previous: head.hash, hash: hashOf(key, head.hash, numbered) };
}

/** What is wrong with a row that should follow `head`, in a sentence; null when it fits. */
export function whyNotLinked(key: KeyObject, head: AuditHead, row: AuditRow): string | null {
  if (row.seq !== head.seq + 1) {
    return row.seq > head.seq + 1
      ? `row ${head.seq + 1} is missing`
      : `row ${row.seq} stands where row ${head.seq + 1} should be`;
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
