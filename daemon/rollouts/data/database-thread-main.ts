import { adoptDatabase } from '../../databases/owner/adopt-database.ts';
import { endSessions } from '../../databases/owner/end-sessions.ts';
import { removeSecrets } from '../../databases/owner/remove-secrets.ts';
import { answerSqlWork, MAX_SQL_VALUE_BYTES } from '../../pocketbase/data/sql-processes.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import { carryOver } from './carry-over.ts';
import type { ThreadWork } from './database-thread.ts';
import { readFacts } from './facts.ts';
import { readColumns, readRows } from './read-rows.ts';

/** A worker thread for SQL that takes long. */

/** Waits for a process that is about to end. */
const BUSY_MS = 5_000;

function run(work: ThreadWork): unknown {
  if (work.kind === 'none') return null;
  if (work.kind === 'end-sessions') {
    endSessions(work.file);
    return null;
  }
  if (work.kind === 'adopt') return adoptDatabase(work.file, work.ownerId);
  if (work.kind === 'remove-secrets') {
    removeSecrets(work.file);
    return null;
  }
  const options = {
    readOnly: work.kind !== 'carry',
    isTrusted: true,
    timeoutMs: BUSY_MS,
    maxValueBytes: MAX_SQL_VALUE_BYTES,
  };
  return withDatabase(work.file, options, (database) => {
    switch (work.kind) {
      case 'facts':
        return readFacts(database, work.ownerId);
      case 'check':
        return String(database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'] ?? '');
      case 'vacuum':
        database.prepare('VACUUM INTO ?').run(work.target);
        return null;
      case 'columns':
        return readColumns(database, work.collection);
      case 'rows':
        return readRows(database, work.collection, work.after);
      case 'carry':
        return carryOver(database, work.from);
      default:
        return work satisfies never;
    }
  });
}

answerSqlWork(run);
