import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AuditRow } from '../../shared/hooks/control-plane-routes.ts';
import { type AuditHead, EMPTY_CHAIN, linkEntry } from './audit-chain.ts';
import { ChainVerifier, describeDefect } from './verify-chain.ts';

const KEY = createSecretKey(Buffer.alloc(32, 1));

function chainOf(length: number): AuditRow[] {
  const rows: AuditRow[] = [];
  let head: AuditHead = EMPTY_CHAIN;
  while (rows.length < length) {
    const row = linkEntry(KEY, head, {
      at: '2026-11-26T00:00:00.000Z',
      actor_kind: 'local',
      actor: '',
      address: 'local',
      action: 'x',
      target: '',
      outcome: 'ok',
      detail: '',
      request_id: '',
    });
    rows.push(row);
    head = row;
  }
  return rows;
}

function verify(rows: readonly AuditRow[], end: AuditHead | null) {
  const verifier = new ChainVerifier(KEY, end);
  for (const row of rows) verifier.add(row);
  return verifier.finish();
}

const kinds = (rows: readonly AuditRow[], end: AuditHead | null) =>
  verify(rows, end).defects.map(({ kind, from, to }) => `${kind} ${from}-${to}`);

const edited = (row: AuditRow): AuditRow => ({ ...row, target: 'changed' });
const without = (rows: AuditRow[], ...places: number[]) => rows.filter(({ seq }) => !places.includes(seq));

describe('a verification of the audit log', () => {
  const rows = chainOf(12);
  const end = rows.at(-1) as AuditRow;

  it('accepts a complete chain, an empty one, and rows that were added in the meantime', () => {
    const ok = { ok: true, problem: null, defects: [], defect_count: 0 };
    expect(verify(rows, end)).toEqual({ ...ok, checked: 12 });
    expect(verify([], EMPTY_CHAIN)).toEqual({ ...ok, checked: 0 });
    expect(verify([], null)).toEqual({ ...ok, checked: 0 });
    expect(verify(rows, rows[4] as AuditRow)).toEqual({ ...ok, checked: 12 });
  });

  it('reports every defect as a range, and continues after each', () => {
    const odd = without(rows, 1, 2, 7, 12).map((row) => ([4, 5, 9].includes(row.seq) ? edited(row) : row));
    expect(verify(odd, end)).toEqual({
      ok: false,
      checked: 8,
      problem: 'rows 1 to 2 are missing',
      defects: [
        { kind: 'missing', from: 1, to: 2 },
        { kind: 'edited', from: 4, to: 5 },
        { kind: 'missing', from: 7, to: 7 },
        { kind: 'edited', from: 9, to: 9 },
        { kind: 'missing', from: 12, to: 12 },
      ],
      defect_count: 5,
    });
  });

  it('recognizes rows of another chain, of another place, and an unknown end', () => {
    const [first, second] = rows as [AuditRow, AuditRow];
    expect(kinds(rows, null)).toEqual(['end_unknown 12-12']);
    expect(kinds(rows, { seq: 12, hash: 'other' })).toEqual(['replaced 12-12']);
    expect(kinds([first, { ...second, previous: 'x' }, ...rows.slice(2)], end)).toEqual([
      'unlinked 2-2',
      'edited 2-2',
    ]);
    expect(kinds([first, first, ...rows.slice(1)], end)).toEqual(['misplaced 1-1']);
    expect(kinds([{ ...first, seq: 0 }], EMPTY_CHAIN)).toEqual([
      'misplaced 0-0',
      'edited 0-0',
      'replaced 0-0',
    ]);
    expect(kinds([first, { ...second, seq: 2.5 }], first)).toEqual([
      'missing 2-2',
      'misplaced 2.5-2.5',
      'edited 2.5-2.5',
    ]);
  });

  it('lists a bounded number of ranges and counts all of them', () => {
    const many = chainOf(600).map((row) => (row.seq % 2 === 0 ? edited(row) : row));
    const { defects, defect_count, checked } = verify(many, many.at(-1) as AuditRow);
    expect([defects.length, defect_count, checked]).toEqual([100, 300, 600]);
    // Each row with a wrong hash is also a wrong link for the next one. Both kinds still form one range each.
    const forged = chainOf(600).map((row) => ({ ...row, hash: 'x' }));
    expect(verify(forged, forged.at(-1) as AuditRow).defect_count).toBe(2);
  });

  it.each([
    [{ kind: 'edited', from: 3, to: 3 }, 'row 3 was edited'],
    [{ kind: 'missing', from: 3, to: 5 }, 'rows 3 to 5 are missing'],
  ] as const)('describes %j', (defect, text) => {
    expect(describeDefect(defect)).toBe(text);
  });
});
