import type { KeyObject } from 'node:crypto';
import type { AuditDefect, AuditVerification } from '../../shared/api/audit.ts';
import type { AuditRow } from '../../shared/hooks/control-plane-routes.ts';
import { type AuditHead, EMPTY_CHAIN, findDefects } from './audit-chain.ts';

/** Ranges of rows in the report; further ones are only counted. */
const MAX_REPORTED = 100;

/** Checks the rows of the audit log one after the other, and continues after a defect. */
export class ChainVerifier {
  readonly #key: KeyObject;
  /** The last row that was written, from the head file; null when the file is missing. */
  readonly #end: AuditHead | null;
  readonly #defects: AuditDefect[] = [];
  /** The latest range of each kind, which the next row may extend. */
  readonly #latest = new Map<AuditDefect['kind'], AuditDefect>();
  #count = 0;
  #checked = 0;
  #last: AuditHead = EMPTY_CHAIN;

  constructor(key: KeyObject, end: AuditHead | null) {
    this.#key = key;
    this.#end = end;
  }

  /** Checks the row that follows the last one in the table. */
  add(row: AuditRow): void {
    for (const defect of findDefects(this.#key, this.#last, row)) this.#report(defect);
    if (row.seq === this.#end?.seq && row.hash !== this.#end.hash)
      this.#report({ kind: 'replaced', from: row.seq, to: row.seq });
    if (row.seq > this.#last.seq) this.#last = { seq: row.seq, hash: row.hash };
    this.#checked += 1;
  }

  /** Reports a line of the archive that is not a row. The row that belongs there counts as missing. */
  addUnreadable(): void {
    const next = this.#last.seq + 1;
    this.#report({ kind: 'unreadable', from: next, to: next });
  }

  /** Reports a row that the archive has with other content. */
  addArchived({ seq }: AuditRow): void {
    this.#report({ kind: 'misplaced', from: seq, to: seq });
    this.#checked += 1;
  }

  /** Returns the result after the last row. */
  finish(): AuditVerification {
    const last = this.#last.seq;
    if (this.#end === null) {
      if (last > 0) this.#report({ kind: 'end_unknown', from: last, to: last });
    } else if (last < this.#end.seq) this.#report({ kind: 'missing', from: last + 1, to: this.#end.seq });
    const [first] = this.#defects;
    return {
      ok: first === undefined,
      checked: this.#checked,
      problem: first === undefined ? null : describeDefect(first),
      defects: this.#defects,
      defect_count: this.#count,
    };
  }

  #report(defect: AuditDefect): void {
    const latest = this.#latest.get(defect.kind);
    if (latest !== undefined && latest.from <= defect.from && defect.from <= latest.to + 1) {
      latest.to = Math.max(latest.to, defect.to);
      return;
    }
    this.#count += 1;
    this.#latest.set(defect.kind, defect);
    if (this.#count <= MAX_REPORTED) this.#defects.push(defect);
  }
}

/** Describes a defect as a sentence without a full stop. */
export function describeDefect({ kind, from, to }: AuditDefect): string {
  const [rows, are, were] =
    from === to ? [`row ${from}`, 'is', 'was'] : [`rows ${from} to ${to}`, 'are', 'were'];
  switch (kind) {
    case 'edited':
      return `${rows} ${were} edited`;
    case 'missing':
      return `${rows} ${are} missing`;
    case 'misplaced':
      return `${rows} ${are} in the place of other rows`;
    case 'unlinked':
      return `${rows} ${are} not linked to the row before`;
    case 'replaced':
      return `${rows} ${are} not what Fathom wrote there`;
    case 'unreadable':
      return `the archive has lines that cannot be read in place of ${rows}`;
    case 'end_unknown':
      return `audit-head.json is missing or damaged: rows after row ${from} may be missing`;
  }
}
