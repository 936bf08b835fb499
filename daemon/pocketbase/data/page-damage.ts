import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { modulePath } from '../../base/package.ts';
import { toPocketBaseDate } from './dates.ts';
import { withDatabase } from './sqlite.ts';

const PROGRAM = modulePath('daemon/pocketbase/data/page-checker');

export interface PageCheck {
  /** A `data.db`. */
  file: string;
  /** Compares indexes with their tables as well, which takes several times as long. */
  isThorough: boolean;
}

/** The first thing that is wrong inside a database, null when nothing is; or why it could not be read now. */
export type PageVerdict = { problem: string | null } | { unread: string };

/** Reads a database through, beside the PocketBase that serves it, in a thread of the lowest priority. */
export async function checkPages(check: PageCheck): Promise<PageVerdict> {
  const worker = new Worker(PROGRAM, { workerData: check });
  try {
    const [verdict] = (await once(worker, 'message')) as [PageVerdict];
    return verdict;
  } finally {
    await worker.terminate();
  }
}

/** The first problem that SQLite lists. It heads the list with the name of the schema: `*** in database main ***`. */
export function firstProblem(verdict: string): string {
  const lines = verdict.split('\n');
  return lines.find((line) => !line.startsWith('***')) ?? verdict;
}

const CORRUPTION = ['malformed', 'SQLITE_CORRUPT', 'not a database'];

/**
 * Whether PocketBase's own log tells of a damaged database since a moment, in rows after `after`; and its last row by now.
 *
 * @param file an `auxiliary.db`
 * @throws the error of SQLite
 */
export function corruptionLogged(
  file: string,
  { since, after }: { since: Date; after: number },
): { last: number; isCorrupt: boolean } {
  return withDatabase(file, { readOnly: true }, (database) => {
    const last = Number(database.prepare('SELECT max(rowid) AS last FROM _logs').get()?.['last'] ?? 0);
    const pattern = CORRUPTION.map(() => 'data LIKE ? OR message LIKE ?').join(' OR ');
    const row = database
      .prepare(`SELECT 1 FROM _logs WHERE rowid > ? AND created >= ? AND (${pattern}) LIMIT 1`)
      .get(after, toPocketBaseDate(since), ...CORRUPTION.flatMap((words) => [`%${words}%`, `%${words}%`]));
    return { last, isCorrupt: row !== undefined };
  });
}
