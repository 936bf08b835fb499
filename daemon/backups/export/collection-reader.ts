import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import type { RowPage, TableColumn, TableRow } from '../../rollouts/data/read-rows.ts';
import { BackupProblem } from '../backup-problem.ts';
import { type Cell, csvLine } from './csv.ts';

export type TableFormat = 'csv' | 'json';

/** Reads the records of one collection, some at a time, in a process for SQL. */
export class CollectionReader {
  readonly #thread: DatabaseThread;
  readonly #file: string;
  readonly #collection: string;
  readonly #columns: readonly TableColumn[];

  private constructor(
    thread: DatabaseThread,
    { file, collection, columns }: { file: string; collection: string; columns: readonly TableColumn[] },
  ) {
    this.#thread = thread;
    this.#file = file;
    this.#collection = collection;
    this.#columns = columns;
  }

  /** @throws FathomError `not_found`, `conflict` for a view; BackupProblem */
  static async open(
    thread: DatabaseThread,
    { file, collection }: { file: string; collection: string },
  ): Promise<CollectionReader> {
    const found = await answered(thread.run({ kind: 'columns', file, collection }));
    if (found === null) throw new FathomError('not_found', `the backup has no collection '${collection}'`);
    if (found === 'view')
      throw new FathomError('conflict', `'${collection}' is a view and has no records; name a collection`);
    return new CollectionReader(thread, { file, collection, columns: found });
  }

  async *read(format: TableFormat): AsyncIterable<Buffer> {
    yield Buffer.from(format === 'csv' ? csvLine(this.#columns.map(({ name }) => name)) : '[');
    let isFirst = true;
    for (let after: string | null = null; ; ) {
      const page: RowPage = await answered(
        this.#thread.run({ kind: 'rows', file: this.#file, collection: this.#collection, after }),
      );
      for (const row of page.rows) {
        yield Buffer.from(format === 'csv' ? this.#csv(row) : `${isFirst ? '\n' : ',\n'}${this.#json(row)}`);
        isFirst = false;
      }
      if (page.next === null) break;
      after = page.next;
    }
    if (format === 'json') yield Buffer.from('\n]\n');
  }

  #csv(row: TableRow): string {
    return csvLine(this.#columns.map(({ type }, index) => cellOf(type, row[index] ?? null)));
  }

  #json(row: TableRow): string {
    const members = this.#columns.map(
      ({ name, type }, index) => `${JSON.stringify(name)}:${jsonOf(type, row[index] ?? null)}`,
    );
    return `{${members.join(',')}}`;
  }
}

function cellOf(type: string, value: string | number | null): Cell {
  return type === 'bool' && typeof value === 'number' ? value !== 0 : value;
}

/** Types whose values PocketBase stores as JSON texts; of some, only if there are several values. */
const JSON_TYPES: ReadonlySet<string> = new Set(['json', 'file', 'relation', 'select', 'geoPoint']);

function jsonOf(type: string, value: string | number | null): string {
  // The text itself: writing a parsed value again fails for one that is nested deeply.
  if (typeof value === 'string' && JSON_TYPES.has(type) && isJson(type, value)) return value;
  return JSON.stringify(cellOf(type, value));
}

function isJson(type: string, text: string): boolean {
  if (type !== 'json' && !/^[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function answered<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new BackupProblem(`its records cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
