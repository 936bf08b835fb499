import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../../shared/errors.ts';
import type { LogLevelName } from '../../../shared/events.ts';
import type { Clock } from '../../base/time/clock.ts';
import { toIsoTime } from '../data/dates.ts';
import { withDatabase } from '../data/sqlite.ts';
import { describeEntry } from './request-log-text.ts';

/** How often a log that is followed is looked at. PocketBase itself writes every three seconds. */
const FOLLOW_POLL_MS = 1_000;
/** Handed over in one go while following; what comes faster than that is left out. */
const FOLLOW_ENTRIES = 200;
/** A lock is held for moments only. */
const TIMEOUT_MS = 250;
/** PocketBase keeps up to 3,000 characters of an address, and errors of any length. */
const MAX_TEXT = 4_000;

/** PocketBase's levels, those of Go's slog. */
const LEVELS = { debug: -4, info: 0, warn: 4, error: 8 } as const satisfies Record<LogLevelName, number>;

/** One entry of PocketBase's own log, without secrets. */
export interface RequestLogEntry {
  at: string;
  level: LogLevelName;
  text: string;
}

/**
 * PocketBase's own log, which it keeps in the table `_logs` of its `auxiliary.db`: requests with what went wrong, failed
 * mails, and what hooks log. Read beside PocketBase, whether it runs or not.
 */
export class RequestLog {
  readonly #file: string;

  /** @param file `auxiliary.db` */
  constructor(file: string) {
    this.#file = file;
  }

  /**
   * The last entries of at least a level, oldest first; none before PocketBase has made the log.
   *
   * @throws the error of SQLite
   */
  tail(count: number, level: LogLevelName): RequestLogEntry[] {
    return this.#read((database) => lastRows(database, { count, level, after: 0 }).map(describeEntry), []);
  }

  /** Hands over every entry of at least a level from now on, until the signal aborts. What cannot be read is said once. */
  async follow(
    level: LogLevelName,
    onEntry: (entry: RequestLogEntry) => void,
    { clock, signal }: { clock: Clock; signal: AbortSignal },
  ): Promise<void> {
    let last = this.#tryRead(lastRow, 0, () => {});
    let seen = this.#stamp();
    let reported = false;
    const report = (problem: string): void => {
      if (!reported)
        onEntry({
          at: clock.now().toISOString(),
          level: 'warn',
          text: `WARN its request log cannot be read: ${problem}`,
        });
      reported = true;
    };
    while (!signal.aborted) {
      await clock.sleep(FOLLOW_POLL_MS, signal);
      const stamp = this.#stamp();
      if (signal.aborted || stamp === seen) continue;
      seen = stamp;
      const { rows, end } = this.#tryRead(
        (database) => {
          const newest = lastRow(database);
          // Rows are counted again from 1 when PocketBase has compacted its file.
          const after = Math.min(last, newest);
          return { rows: lastRows(database, { count: FOLLOW_ENTRIES, level, after }), end: newest };
        },
        { rows: [], end: last },
        report,
      );
      last = end;
      for (const row of rows) onEntry(describeEntry(row));
    }
  }

  /** Changes with each write: looking at two files costs less than opening one. */
  #stamp(): string {
    return [this.#file, `${this.#file}-wal`]
      .map((path) => {
        const stats = statSync(path, { throwIfNoEntry: false });
        return stats ? `${stats.ino}/${stats.size}/${stats.mtimeMs}` : '';
      })
      .join(' ');
  }

  #tryRead<T>(work: (database: DatabaseSync) => T, otherwise: T, report: (problem: string) => void): T {
    try {
      return this.#read(work, otherwise);
    } catch (error) {
      report(messageOf(error));
      return otherwise;
    }
  }

  #read<T>(work: (database: DatabaseSync) => T, otherwise: T): T {
    if (statSync(this.#file, { throwIfNoEntry: false }) === undefined) return otherwise;
    return withDatabase(this.#file, { readOnly: true, timeoutMs: TIMEOUT_MS }, (database) =>
      database.prepare("SELECT 1 FROM sqlite_master WHERE name = '_logs'").get() ? work(database) : otherwise,
    );
  }
}

export interface LogRow {
  id: number;
  at: string;
  level: LogLevelName;
  message: string;
  isRequest: boolean;
  method: string;
  url: string;
  status: number | null;
  error: string;
  details: string;
  address: string;
  /** JSON text of everything that was logged. */
  data: string;
}

function lastRow(database: DatabaseSync): number {
  return Number(database.prepare('SELECT MAX(rowid) AS last FROM _logs').get()?.['last'] ?? 0);
}

/** Oldest first. Level by level, as there is an index for that: a few failures among a million requests are found at once. */
function lastRows(
  database: DatabaseSync,
  { count, level, after }: { count: number; level: LogLevelName; after: number },
): LogRow[] {
  const statement = database.prepare(
    `SELECT rowid AS id, created, level, substr(message, 1, ${MAX_TEXT}) AS message,
       json_extract(data, '$.type') AS type, json_extract(data, '$.method') AS method,
       json_extract(data, '$.url') AS url, json_extract(data, '$.status') AS status,
       substr(json_extract(data, '$.error'), 1, ${MAX_TEXT}) AS error,
       substr(json_extract(data, '$.details'), 1, ${MAX_TEXT}) AS details,
       json_extract(data, '$.userIP') AS address, substr(data, 1, ${MAX_TEXT}) AS data
     FROM _logs WHERE level = ? AND rowid > ? ORDER BY rowid DESC LIMIT ?`,
  );
  return Object.values(LEVELS)
    .filter((one) => one >= LEVELS[level])
    .flatMap((one) => statement.all(one, after, count).map(toRow))
    .toSorted((a, b) => a.id - b.id)
    .slice(-count);
}

function toRow(row: Record<string, unknown>): LogRow {
  const text = (name: string): string => (typeof row[name] === 'string' ? row[name] : '');
  return {
    id: Number(row['id']),
    at: toIsoTime(text('created')),
    level: levelOf(Number(row['level'])),
    message: text('message'),
    isRequest: row['type'] === 'request',
    method: text('method'),
    url: text('url'),
    status: typeof row['status'] === 'number' ? row['status'] : null,
    error: text('error'),
    details: text('details'),
    address: text('address'),
    data: text('data'),
  };
}

function levelOf(level: number): LogLevelName {
  return (['error', 'warn', 'info'] as const).find((name) => level >= LEVELS[name]) ?? 'debug';
}
