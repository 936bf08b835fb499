import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { quoteName } from '../../pocketbase/data/sqlite.ts';

export interface TableColumn {
  name: string;
  /** Of the field in PocketBase, such as `text`. */
  type: string;
}

/** The values of one record, in the order of the columns. */
export type TableRow = (string | number | null)[];

export interface RowPage {
  rows: TableRow[];
  /** Where the next page begins; null at the end. */
  next: string | null;
}

const PAGE_ROWS = 500;
const PAGE_BYTES = 1024 * 1024;
/** Never leave the host. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['tokenKey', 'password']);

/** The columns of a collection; `view` for one without records of its own, null for one that does not exist. */
export function readColumns(database: DatabaseSync, collection: string): TableColumn[] | 'view' | null {
  const row = database.prepare('SELECT type, fields FROM _collections WHERE name = ?').get(collection);
  if (row === undefined) return null;
  const table = database
    .prepare("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE")
    .get(collection);
  // SQL of a view or a virtual table would run here.
  if (row['type'] === 'view' || table === undefined || /^CREATE\s+VIRTUAL/i.test(String(table['sql'])))
    return 'view';
  const stored = new Set(
    database
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(collection)
      .map(({ name }) => String(name)),
  );
  const fields = JSON.parse(String(row['fields'])) as { name: string; type: string }[];
  return fields
    .filter(({ name, type }) => stored.has(name) && type !== 'password' && !SECRET_FIELDS.has(name))
    .map(({ name, type }) => ({ name, type }));
}

/**
 * Some records of a collection, in the order in which SQLite stores them. A page has at least one, however large it is.
 *
 * @param after `next` of the page before; null for the first
 */
export function readRows(database: DatabaseSync, collection: string, after: string | null): RowPage {
  const columns = readColumns(database, collection);
  if (columns === null || columns === 'view') throw new Error(`there is no collection '${collection}'`);
  const names = columns.map(({ name }) => quoteName(name));
  const statement = database.prepare(
    `SELECT _rowid_, ${names.join(', ') || 'NULL'} FROM ${quoteName(collection)} WHERE _rowid_ > ? ORDER BY _rowid_ LIMIT ${PAGE_ROWS}`,
  );
  statement.setReadBigInts(true);
  statement.setReturnArrays(true);
  const rows: TableRow[] = [];
  let bytes = 0;
  let next: string | null = null;
  for (const row of statement.iterate(after === null ? -(2n ** 63n) : BigInt(after)) as Iterable<unknown>) {
    const [rowid, ...values] = row as SQLOutputValue[];
    const cells = values.slice(0, columns.length).map(toCell);
    rows.push(cells);
    next = String(rowid);
    bytes += cells.reduce<number>((sum, cell) => sum + (typeof cell === 'string' ? cell.length : 8), 0);
    if (bytes > PAGE_BYTES) return { rows, next };
  }
  return { rows, next: rows.length < PAGE_ROWS ? null : next };
}

function toCell(value: SQLOutputValue | undefined): string | number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  return typeof value === 'string' ? value : Buffer.from(value).toString('base64');
}
