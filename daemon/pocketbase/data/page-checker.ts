import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';
import type { PageCheck, PageVerdict } from './page-damage.ts';
import { answerSqlWork, MAX_SQL_VALUE_BYTES } from './sql-processes.ts';
import { withDatabase } from './sqlite.ts';

/** A worker thread that checks all pages of one database with the lowest priority, and posts the result. */

// On Linux each thread has its own priority, which is set by the thread id.
setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_LOW);

function check({ file, isThorough }: PageCheck): PageVerdict {
  const pragma = isThorough ? 'integrity_check' : 'quick_check';
  try {
    const options = {
      readOnly: true,
      isTrusted: true,
      timeoutMs: 2_000,
      maxValueBytes: MAX_SQL_VALUE_BYTES,
    };
    const row = withDatabase(file, options, (database) => database.prepare(`PRAGMA ${pragma}(1)`).get());
    const result = String(row?.[pragma] ?? '');
    return { problem: result === 'ok' ? null : result };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return /malformed|not a database/.test(message) ? { problem: message } : { unread: message };
  }
}

answerSqlWork((work: PageCheck) => check(work));
