import type { DatabaseSync } from 'node:sqlite';
import { quoteName } from '../../pocketbase/data/sqlite.ts';

/** Rows that were brought into the copy, by table. */
export type CarriedRows = Record<string, number>;

/** Tables with what belongs to the version or the schema, and not to the users of the database. */
const ROW_ID = /^_rowid_$/i;
const NOT_CARRIED: ReadonlySet<string> = new Set(['_collections', '_migrations', '_params']);

/**
 * Brings the rows of a newer database into a copy from before a change of the schema, so that the copy has every write that was
 * acknowledged since. Tables and columns that only one of the two has stay as they are in the copy.
 *
 * @param from the newer `data.db`; no process uses it
 * @throws the error of SQLite when the rows do not fit; the copy is not changed then
 */
export function carryOver(copy: DatabaseSync, from: string): CarriedRows {
  copy.exec('PRAGMA foreign_keys = OFF');
  copy.prepare('ATTACH DATABASE ? AS newer').run(from);
  try {
    copy.exec('BEGIN IMMEDIATE');
    try {
      const newer = new Set(tablesOf(copy, 'newer').map(({ name }) => name));
      const triggers = dropTriggers(copy);
      const carried = Object.fromEntries(
        tablesOf(copy, 'main')
          .filter(({ name }) => newer.has(name))
          .map((table) => [table.name, replaceRows(copy, table)]),
      );
      // `exec` would run everything that a changed file has after the first statement, also on other databases.
      for (const trigger of triggers) copy.prepare(trigger).run();
      copy.exec('COMMIT');
      return carried;
    } catch (error) {
      copy.exec('ROLLBACK');
      throw error;
    }
  } finally {
    copy.exec('DETACH DATABASE newer');
  }
}

/** Their effects are part of the rows already. Returns the statements that create them. */
function dropTriggers(copy: DatabaseSync): string[] {
  const triggers = copy.prepare("SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger'").all();
  for (const { name } of triggers) copy.exec(`DROP TRIGGER main.${quoteName(String(name))}`);
  return triggers.map(({ sql }) => String(sql));
}

/** A row that both have keeps the columns that only the copy has. Rows keep their row ids, which other tables may contain. */
function replaceRows(copy: DatabaseSync, { name: table, hasRowId }: Table): number {
  const newer = new Set(columnsOf(copy, 'newer', table));
  const columns = columnsOf(copy, 'main', table);
  const [common, own] = [columns.filter((one) => newer.has(one)), columns.filter((one) => !newer.has(one))];
  const name = quoteName(table);
  if (common.length === 0) return 0;
  const rowId = hasRowId && !columns.some((one) => ROW_ID.test(one)) ? ['_rowid_'] : [];
  const list = (names: readonly string[], prefix = '') =>
    [...rowId, ...names.map(quoteName)].map((one) => prefix + one).join(', ');
  if (own.length === 0 || !common.includes('id')) {
    copy.exec(`DELETE FROM main.${name}`);
    return insert(copy, `main.${name} (${list(common)}) SELECT ${list(common)} FROM newer.${name}`);
  }
  const quoted = own.map(quoteName);
  const kept = quoted.map((one) => `kept.${one}`).join(', ');
  copy.exec(`CREATE TEMP TABLE kept AS SELECT id, ${quoted.join(', ')} FROM main.${name}`);
  copy.exec(`DELETE FROM main.${name}`);
  const from = `FROM newer.${name} AS n`;
  const count =
    insert(
      copy,
      `main.${name} (${list(common)}, ${quoted.join(', ')}) SELECT ${list(common, 'n.')}, ${kept} ${from} JOIN kept ON kept.id = n.id`,
    ) +
    insert(
      copy,
      `main.${name} (${list(common)}) SELECT ${list(common, 'n.')} ${from} WHERE n.id NOT IN (SELECT id FROM kept)`,
    );
  copy.exec('DROP TABLE temp.kept');
  return count;
}

function insert(copy: DatabaseSync, statement: string): number {
  return Number(copy.prepare(`INSERT INTO ${statement}`).run().changes);
}

interface Table {
  name: string;
  hasRowId: boolean;
}

/** Without the tables in which virtual ones, such as a full-text index, keep their rows. */
function tablesOf(database: DatabaseSync, schema: 'main' | 'newer'): Table[] {
  return database
    .prepare(
      `SELECT name, type, wr FROM pragma_table_list
       WHERE schema = ? AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
       ORDER BY type, name`,
    )
    .all(schema)
    .map(({ name, wr }) => ({ name: String(name), hasRowId: wr === 0 }))
    .filter(({ name }) => !NOT_CARRIED.has(name) && !name.startsWith('_fathom_'));
}

function columnsOf(database: DatabaseSync, schema: 'main' | 'newer', table: string): string[] {
  return database
    .prepare(`SELECT name FROM pragma_table_info(?, ?)`)
    .all(table, schema)
    .map(({ name }) => String(name));
}
