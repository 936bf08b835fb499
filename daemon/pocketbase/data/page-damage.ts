import { modulePath } from '../../base/package.ts';
import { SqlProcesses } from './sql-processes.ts';
import { toPocketBaseDate, withDatabase } from './sqlite.ts';

const PROGRAM = modulePath('daemon/pocketbase/data/page-checker');

export interface PageCheck {
  /** A `data.db`. */
  file: string;
  /** Also compares indexes with their tables, which takes several times as long. */
  isThorough: boolean;
}

/** The first damage in a database, null without damage; or why the database could not be read now. */
export type PageVerdict = { problem: string | null } | { unread: string };

/**
 * Checks all pages of a database in a process with the lowest priority, also while PocketBase serves it.
 *
 * @throws an Error when the check takes too long, or when the signal aborts
 */
export async function checkPages(check: PageCheck, signal: AbortSignal): Promise<PageVerdict> {
  const processes = new SqlProcesses(PROGRAM);
  const close = () => void processes.close();
  signal.addEventListener('abort', close);
  try {
    signal.throwIfAborted();
    return (await processes.run({ ...check })) as PageVerdict;
  } finally {
    signal.removeEventListener('abort', close);
    await processes.close();
  }
}

/** The first problem in SQLite's list, which starts with the name of the schema: `*** in database main ***`. */
export function firstProblem(verdict: string): string {
  const lines = verdict.split('\n');
  return lines.find((line) => !line.startsWith('***')) ?? verdict;
}

const CORRUPTION = ['malformed', 'SQLITE_CORRUPT', 'not a database'];

/**
 * Whether PocketBase's own log reports a damaged database since a time, in rows after `after`.
 *
 * @param file an `auxiliary.db`
 * @returns `last`: the last row of the log
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
