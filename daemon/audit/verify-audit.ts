import type { KeyObject } from 'node:crypto';
import type { AuditVerification } from '../../shared/api/audit.ts';
import type { AuditRow } from '../../shared/hooks/control-plane-routes.ts';
import { type AuditArchive, isSameRow } from './archive/audit-archive.ts';
import type { AuditHead } from './audit-chain.ts';
import type { AuditRepository } from './audit-repository.ts';
import { ChainVerifier } from './verify-chain.ts';

/** Rows that are read together. */
const PAGE = 500;

/** Checks the archived rows and those of the table as one chain, also after a defect. */
export function verifyAudit({
  archive,
  repository,
  key,
  readEnd,
}: {
  archive: AuditArchive;
  repository: AuditRepository;
  key: KeyObject;
  /** The last row that was written; null when it is unknown. */
  readEnd: () => Promise<AuditHead | null>;
}): Promise<AuditVerification> {
  return archive.exclusively(async () => {
    // Read before the rows, because rows may be added during the check.
    const verifier = new ChainVerifier(key, await readEnd());
    const head = await archive.lastHead();
    // Rows that were archived and not yet removed.
    const both = new Map<number, AuditRow>();
    await readRows(repository, 0, (row) => {
      if (row.seq <= head.seq) both.set(row.seq, row);
      return row.seq <= head.seq;
    });
    for await (const row of archive.rows()) {
      if (row === null) {
        verifier.addUnreadable();
        continue;
      }
      verifier.add(row);
      if (isSameRow(row, both.get(row.seq))) both.delete(row.seq);
    }
    for (const row of both.values()) verifier.addArchived(row);
    await readRows(repository, head.seq, (row) => {
      verifier.add(row);
      return true;
    });
    return verifier.finish();
  });
}

/** Reads rows after `seq` until `work` returns false. */
async function readRows(
  repository: AuditRepository,
  seq: number,
  work: (row: AuditRow) => boolean,
): Promise<void> {
  for (let after = seq; ; ) {
    const rows = await repository.listAfter(after, PAGE);
    for (const row of rows) if (!work(row)) return;
    if (rows.length < PAGE) return;
    after = rows.at(-1)?.seq ?? after;
  }
}
