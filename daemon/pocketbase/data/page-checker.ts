import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { PageCheck, PageVerdict } from './page-damage.ts';
import { withDatabase } from './sqlite.ts';

/** A worker thread that checks all pages of one database with the lowest priority, and posts the result. */

// On Linux each thread has its own priority, which is set by the thread id.
setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_LOW);

function check({ file, isThorough }: PageCheck): PageVerdict {
  const pragma = isThorough ? 'integrity_check' : 'quick_check';
  try {
    const [row] = withDatabase(file, { readOnly: true, isTrusted: true, timeoutMs: 2_000 }, (database) =>
      database.prepare(`PRAGMA ${pragma}(1)`).all(),
    );
    const result = String(row?.[pragma] ?? '');
    return { problem: result === 'ok' ? null : result };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return /malformed|not a database/.test(message) ? { problem: message } : { unread: message };
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of node:worker_threads has none
parentPort?.postMessage(check(workerData as PageCheck));
