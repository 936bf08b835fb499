import { createReadStream } from 'node:fs';
import { open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AuditRow } from '../../../shared/hooks/control-plane-routes.ts';
import { makeDirectory, systemErrorCode } from '../../base/files/dir.ts';
import { syncDirectory } from '../../base/files/replace-file.ts';

/** The place of the first row in the chain, and the month of the rows. */
const NAME = /^(\d{12,16})-(\d{4}-\d{2})\.jsonl$/;
/** A row has at most about 12 KB. */
const MAX_LINE_BYTES = 64 * 1024;
const NEWLINE = 10;

export interface ArchiveFile {
  path: string;
  name: string;
  /** Place of its first row. */
  first: number;
  /** YYYY-MM */
  month: string;
}

export interface ArchiveLine {
  /** Null when the line is not a row. */
  row: AuditRow | null;
  /** Offset of the byte after the line. */
  end: number;
}

/** Files with rows of the audit log, one row as JSON in each line. The rows of a file are of one month. */
export class ArchiveFiles {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** In the order of the chain. Other files in the directory are ignored. */
  async list(): Promise<ArchiveFile[]> {
    const names = await readdir(this.directory).catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    });
    const files = names.flatMap((name) => {
      const [, first, month] = NAME.exec(name) ?? [];
      if (first === undefined || month === undefined) return [];
      return [{ path: join(this.directory, name), name, first: Number(first), month }];
    });
    return files.toSorted((a, b) => a.first - b.first || (a.name < b.name ? -1 : 1));
  }

  async sizeOf({ path }: ArchiveFile): Promise<number> {
    return (await stat(path)).size;
  }

  /**
   * Reads the lines one after the other. A last line without its end is not a row.
   *
   * @param start offset in a line, which is the first one that is read
   */
  async *lines({ path }: ArchiveFile, start = 0): AsyncGenerator<ArchiveLine> {
    let rest: Buffer = Buffer.alloc(0);
    let offset = start;
    let isTooLong = false;
    for await (const chunk of createReadStream(path, { start }) as AsyncIterable<Buffer>) {
      const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let from = 0;
      for (let at = data.indexOf(NEWLINE); at !== -1; at = data.indexOf(NEWLINE, from)) {
        const row = isTooLong ? null : parseRow(data.toString('utf8', from, at));
        yield { row, end: offset + at + 1 };
        isTooLong = false;
        from = at + 1;
      }
      rest = data.subarray(from);
      offset += from;
      if (rest.length > MAX_LINE_BYTES) {
        isTooLong = true;
        offset += rest.length;
        rest = Buffer.alloc(0);
      }
    }
    if (rest.length > 0 || isTooLong) yield { row: null, end: offset + rest.length };
  }

  /**
   * Adds rows of one month to a file, or to a new one. They are on the disk on return.
   *
   * @returns the file
   */
  async append(last: ArchiveFile | null, rows: readonly [AuditRow, ...AuditRow[]]): Promise<ArchiveFile> {
    const month = monthOf(rows[0]);
    const file = last?.month === month ? last : this.#newFile(rows[0].seq, month);
    await makeDirectory(this.directory);
    await using handle = await open(file.path, 'a', 0o600);
    const { size } = await handle.stat();
    try {
      await handle.writeFile(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      await handle.sync();
    } catch (error) {
      // On a full disk, a part of the rows may be in the file.
      await handle.truncate(size);
      throw error;
    }
    if (size === 0) {
      await syncDirectory(this.directory);
      await syncDirectory(dirname(this.directory));
    }
    return file;
  }

  /** Removes what follows an offset, or the file when nothing is left. */
  async cut(file: ArchiveFile, offset: number): Promise<void> {
    if (offset === 0) await rm(file.path);
    else await truncate(file.path, offset);
  }

  #newFile(first: number, month: string): ArchiveFile {
    const name = `${String(first).padStart(12, '0')}-${month}.jsonl`;
    return { path: join(this.directory, name), name, first, month };
  }
}

/** Rows with an unreadable time are in the month 0000-00. */
export function monthOf({ at }: Pick<AuditRow, 'at'>): string {
  return /^\d{4}-\d{2}(?=-)/.exec(at)?.[0] ?? '0000-00';
}

const TEXTS = [
  'at',
  'actor_kind',
  'actor',
  'address',
  'action',
  'target',
  'outcome',
  'detail',
  'request_id',
  'previous',
  'hash',
] as const satisfies readonly (keyof AuditRow)[];

/** Null for a line that is not a row. */
function parseRow(line: string): AuditRow | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
  if (typeof value !== 'object' || value === null) return null;
  const row = value as Partial<Record<keyof AuditRow, unknown>>;
  const isRow = typeof row.seq === 'number' && TEXTS.every((name) => typeof row[name] === 'string');
  return isRow ? (row as AuditRow) : null;
}
