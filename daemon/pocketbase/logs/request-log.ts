import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../../shared/errors.ts';
import type { LogLevelName } from '../../../shared/events.ts';
import type { Clock } from '../../base/time/clock.ts';
import { toIsoTime, withDatabase, writeStamp } from '../data/sqlite.ts';
import { describeEntry, type LogRow, type RequestLogEntry } from './request-log-text.ts';

/** How often a followed log is read. PocketBase itself writes every three seconds. */
const FOLLOW_POLL_MS = 1_000;
/** Entries per read while following; older ones are skipped. */
const FOLLOW_ENTRIES = 200;
/** Locks are short. */
const TIMEOUT_MS = 250;
/** PocketBase stores up to 3,000 characters of a URL, and errors of any length. */
const MAX_TEXT = 4_000;

/** The levels of PocketBase, which are those of Go's slog. */
const LEVELS = { debug: -4, info: 0, warn: 4, error: 8 } as const satisfies Record<LogLevelName, number>;

/**
 * PocketBase's own log, the table `_logs` in `auxiliary.db`: failed requests, failed mails and the messages of hooks. It
 * can be read while PocketBase runs and while it is stopped.
 */
export class RequestLog {
  readonly #file: string;

  /** @param file `auxiliary.db` */
  constructor(file: string) {
    this.#file = file;
  }

  /**
   * The last entries of at least a level, oldest first; none before PocketBase has created the log.
   *
   * @throws the error of SQLite
   */
  tail(count: number, level: LogLevelName): RequestLogEntry[] {
    return this.#read((database) => lastRows(database, { count, level, after: 0 }).map(describeEntry), []);
  }

  /**
   * Calls `onEntry` for every new entry of at least a level, until the signal aborts. Reports once that the log cannot be
   * read.
   */
  async follow(
    level: LogLevelName,
    onEntry: (entry: RequestLogEntry) => void,
    { clock, signal }: { clock: Clock; signal: AbortSignal },
  ): Promise<void> {
    let last = this.#tryRead(lastRow, 0, () => {});
    let lastStamp = writeStamp(this.#file);
    let reported = false;
    const report = (problem: string): void => {
      if (!reported)
        onEntry({
          at: clock.now().toISOString(),
          level: 'warn',
          text: `WARN cannot read the request log: ${problem}`,
        });
      reported = true;
    };
    while (!signal.aborted) {
      await clock.sleep(FOLLOW_POLL_MS, signal);
      const stamp = writeStamp(this.#file);
      if (signal.aborted || stamp === lastStamp) continue;
      lastStamp = stamp;
      const { rows, end } = this.#tryRead(
        (database) => {
          const newest = lastRow(database);
          // Row ids start at 1 again after PocketBase has compacted its file.
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

  /** Reports a log that cannot be read, and returns `fallback`. */
  #tryRead<T>(work: (database: DatabaseSync) => T, fallback: T, report: (problem: string) => void): T {
    try {
      return this.#read(work, fallback);
    } catch (error) {
      report(messageOf(error));
      return fallback;
    }
  }

  #read<T>(work: (database: DatabaseSync) => T, fallback: T): T {
    if (statSync(this.#file, { throwIfNoEntry: false }) === undefined) return fallback;
    return withDatabase(this.#file, { readOnly: true, timeoutMs: TIMEOUT_MS }, (database) =>
      database.prepare("SELECT 1 FROM sqlite_master WHERE name = '_logs'").get() ? work(database) : fallback,
    );
  }
}

function lastRow(database: DatabaseSync): number {
  return Number(database.prepare('SELECT MAX(rowid) AS last FROM _logs').get()?.['last'] ?? 0);
}

/** Oldest first. One query per level, because the index is on the level: a few errors among a million rows are found fast. */
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
    .filter((candidate) => candidate >= LEVELS[level])
    .flatMap((candidate) => statement.all(candidate, after, count).map(toRow))
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
