import { createHmac, type KeyObject } from 'node:crypto';
import type { AuditDefect, AuditEntry } from '../../shared/api/audit.ts';
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

/** Returns what is wrong with a row of the table, and with its place after the row `last`. */
export function findDefects(key: KeyObject, last: AuditHead, row: AuditRow): AuditDefect[] {
  const { seq } = row;
  const expected = last.seq + 1;
  const defects: AuditDefect[] = [];
  if (seq > expected) defects.push({ kind: 'missing', from: expected, to: Math.ceil(seq) - 1 });
  if (seq < expected || !Number.isSafeInteger(seq)) defects.push({ kind: 'misplaced', from: seq, to: seq });
  // After missing rows, the row before is unknown.
  if (seq === expected && row.previous !== last.hash) defects.push({ kind: 'unlinked', from: seq, to: seq });
  if (!isIntact(key, row)) defects.push({ kind: 'edited', from: seq, to: seq });
  return defects;
}

/** Whether a row has the content and the row before it that it was written with. */
export function isIntact(key: KeyObject, row: AuditRow): boolean {
  return row.hash === hashOf(key, row.previous, row);
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
