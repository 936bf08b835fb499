import { createSecretKey, type KeyObject } from 'node:crypto';
import type { AuditArchiveState } from '../../../shared/api/audit.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { AuditRow } from '../../../shared/hooks/control-plane-routes.ts';
import type { Logger } from '../../base/log/log.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import { type AuditHead, EMPTY_CHAIN, isIntact } from '../audit-chain.ts';
import type { AuditRepository } from '../audit-repository.ts';
import { type ArchiveFile, type ArchiveFiles, monthOf } from './archive-files.ts';
import { countExpired } from './expired-rows.ts';

/** Rows that are moved together. */
const BATCH = 500;
const EVERY_MS = 3_600_000;
/** The end of a file that is searched for its last intact row, before all of it is. */
const TAIL_BYTES = 1024 * 1024;

export interface AuditArchiveDeps {
  repository: AuditRepository;
  files: ArchiveFiles;
  /** Reads the key of the chain. */
  key: () => Promise<Uint8Array>;
  /** Age at which rows are moved; null keeps all rows in the table. */
  retentionMs: number | null;
  clock: Clock;
  log: Logger;
  /** Called after each step. */
  onStep?: ((step: ArchiveStep) => void) | undefined;
}

interface FileEnd {
  /** Null without an intact row. */
  head: AuditHead | null;
  end: number;
  size: number;
}

export type ArchiveStep = 'appended' | 'removed';

/** The end of the archived part of the chain. */
interface ArchiveEnd {
  head: AuditHead;
  /** The file to which the next rows are added; null when they need a new one. */
  file: ArchiveFile | null;
}

/**
 * Moves old rows of the audit log from the control plane into files:
 *
 *   appended   the rows are in a file and on the disk
 *   removed    the rows are gone from the table
 *
 * A daemon that dies before `appended` leaves at most a part of the rows at the end of the last file; the next one cuts it off,
 * because the table has the rows. One that dies before `removed` leaves rows in both; the next one removes them from the
 * table after it has compared them. The last row stays in the table.
 */
export class AuditArchive {
  readonly #deps: AuditArchiveDeps;
  /** Archiving and verifying exclude each other: rows would move between the files and the table. */
  readonly #lock = new Semaphore(1);
  #key: KeyObject | null = null;
  #loop: Loop | null = null;
  #problem: string | null = null;

  constructor(deps: AuditArchiveDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#loop ??= startLoop(this.#deps.clock, async (stopping) => {
      await this.#run(stopping);
      return EVERY_MS;
    });
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Where rows are that are no longer in the table. */
  async state(): Promise<AuditArchiveState> {
    const { files, retentionMs } = this.#deps;
    const about = {
      directory: files.directory,
      retention_days: retentionMs === null ? null : retentionMs / 86_400_000,
    };
    try {
      return { ...about, problem: this.#problem, files: await this.#listFiles() };
    } catch (error) {
      return { ...about, problem: messageOf(error), files: [] };
    }
  }

  async #listFiles(): Promise<AuditArchiveState['files']> {
    const { files, repository } = this.#deps;
    const [list, first] = [await files.list(), await repository.listAfter(0, 1)];
    return Promise.all(
      list.map(async (file, index) => ({
        name: file.name,
        month: file.month,
        from: file.first,
        // A file ends where the next one, or the table, begins.
        to: Math.max(file.first, (list[index + 1]?.first ?? first[0]?.seq ?? file.first + 1) - 1),
        bytes: await files.sizeOf(file),
      })),
    );
  }

  /**
   * Moves all rows that are older than the retention. Exported for tests; the loop calls it.
   *
   * @returns the number of moved rows
   */
  archive(stopping: AbortSignal): Promise<number> {
    return this.exclusively(async () => {
      const { repository, files, retentionMs, clock, onStep = () => {} } = this.#deps;
      let { head, file } = await this.#findEnd();
      // Also without a retention, to finish what was interrupted.
      await this.#removeArchived(head);
      if (retentionMs === null) return 0;
      const now = clock.now();
      const cutoff = new Date(Math.max(0, now.getTime() - retentionMs));
      let moved = 0;
      while (!stopping.aborted) {
        const rows = await repository.listAfter(head.seq, BATCH + 1);
        // The last one that was read may be the last one of the table.
        const candidates = rows.slice(0, -1).filter(({ seq }) => Number.isSafeInteger(seq));
        const batch = ofOneMonth(candidates.slice(0, countExpired(candidates, { cutoff, now })));
        if (batch === null) break;
        file = await files.append(file, batch);
        onStep('appended');
        await repository.removeArchived(batch);
        onStep('removed');
        head = batch.at(-1) ?? head;
        moved += batch.length;
      }
      return moved;
    });
  }

  /** Runs `work` while nothing is archived or verified. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.#lock.acquire(new AbortController().signal);
    try {
      return await work();
    } finally {
      release?.();
    }
  }

  /** The last intact row. Changes nothing, so it may be called while rows are archived. */
  async lastHead(): Promise<AuditHead> {
    for (const file of (await this.#deps.files.list()).toReversed()) {
      const { head } = await this.#readEnd(file);
      if (head !== null) return head;
    }
    return EMPTY_CHAIN;
  }

  /** The archived rows in the order of the files; null for a line that is not a row. */
  async *rows(): AsyncGenerator<AuditRow | null> {
    for (const file of await this.#deps.files.list()) {
      for await (const { row } of this.#deps.files.lines(file)) yield row;
    }
  }

  /**
   * Finds the last intact row. Removes a part of a write that was interrupted: what follows the last intact row of the last
   * file, if the table has the rows that follow.
   */
  async #findEnd(): Promise<ArchiveEnd> {
    const { files, repository, log } = this.#deps;
    const [lowest] = await repository.listAfter(0, 1);
    let isLast = true;
    for (const file of (await files.list()).toReversed()) {
      const { head, end, size } = await this.#readEnd(file);
      const isInTable = lowest !== undefined && lowest.seq <= (head?.seq ?? file.first - 1) + 1;
      if (isLast && isInTable && (end < size || size === 0)) {
        log.warn(`${file.path} ends with rows that were not written completely; they are still in the table`);
        await files.cut(file, end);
        if (head !== null) return { head, file };
      } else if (head !== null) {
        // Rows of a damaged end are lost. New rows begin a new file, so that nothing more is lost.
        return { head, file: isLast && end === size ? file : null };
      } else isLast = false;
    }
    return { head: EMPTY_CHAIN, file: null };
  }

  async #run(stopping: AbortSignal): Promise<void> {
    const { log, files } = this.#deps;
    try {
      const moved = await this.archive(stopping);
      this.#problem = null;
      if (moved > 0) log.info({ rows: moved }, `moved old rows of the audit log to ${files.directory}`);
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem) log.warn(`cannot archive old rows of the audit log: ${problem}`);
      this.#problem = problem;
    }
  }

  /** Removes rows from the table that are in the files with the same content. */
  async #removeArchived(end: AuditHead): Promise<void> {
    const { repository, files, log } = this.#deps;
    const inTable = new Map<number, AuditRow>();
    for (let after = 0; ; ) {
      const page = await repository.listAfter(after, BATCH);
      const archived = page.filter(({ seq }) => seq <= end.seq);
      for (const row of archived) inTable.set(row.seq, row);
      after = page.at(-1)?.seq ?? after;
      if (archived.length < BATCH) break;
    }
    if (inTable.size === 0) return;
    const lowest = Math.min(...inTable.keys());
    const list = await files.list();
    for (const [index, file] of list.entries()) {
      if ((list[index + 1]?.first ?? Number.POSITIVE_INFINITY) <= lowest) continue;
      let same: AuditRow[] = [];
      for await (const { row } of files.lines(file)) {
        if (row === null || !isSameRow(row, inTable.get(row.seq))) continue;
        inTable.delete(row.seq);
        same.push(row);
        if (same.length < BATCH) continue;
        await repository.removeArchived(same);
        same = [];
      }
      if (same.length > 0) await repository.removeArchived(same);
    }
    if (inTable.size > 0) {
      log.error(
        { rows: [...inTable.keys()].slice(0, 10) },
        `${inTable.size} rows of the audit log differ from their archived rows; run 'fathomd audit verify'`,
      );
    }
  }

  /** The last intact row of a file, the offset after it, and the size of the file. */
  async #readEnd(file: ArchiveFile): Promise<FileEnd> {
    const start = Math.max(0, (await this.#deps.files.sizeOf(file)) - TAIL_BYTES);
    const tail = await this.#readEndFrom(file, start);
    return tail.head === null && start > 0 ? this.#readEndFrom(file, 0) : tail;
  }

  async #readEndFrom(file: ArchiveFile, start: number): Promise<FileEnd> {
    this.#key ??= createSecretKey(await this.#deps.key());
    let head: AuditHead | null = null;
    let [end, size] = [0, 0];
    for await (const line of this.#deps.files.lines(file, start)) {
      size = line.end;
      const { row } = line;
      if (row === null || row.seq < (head?.seq ?? 0) + 1 || !isIntact(this.#key, row)) continue;
      head = { seq: row.seq, hash: row.hash };
      end = line.end;
    }
    return { head, end, size };
  }
}

/** The rows at the start that are of one month; null without rows. */
function ofOneMonth(rows: readonly AuditRow[]): [AuditRow, ...AuditRow[]] | null {
  const [first, ...others] = rows;
  if (first === undefined) return null;
  const end = others.findIndex((row) => monthOf(row) !== monthOf(first));
  return [first, ...(end === -1 ? others : others.slice(0, end))];
}

export function isSameRow(a: AuditRow, b: AuditRow | undefined): boolean {
  if (b === undefined) return false;
  const names = Object.keys(b) as (keyof AuditRow)[];
  return names.every((name) => a[name] === b[name]);
}
