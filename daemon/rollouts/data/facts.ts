import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { quoteName } from '../../pocketbase/data/sqlite.ts';

/** What must be the same before and after a change of PocketBase. */
export interface DatabaseFacts {
  /** Applied migrations, sorted. */
  migrations: string[];
  /** Rows by collection; views, and collections without their table, have none. */
  rows: Record<string, number>;
  /** Rules by collection, as text. */
  rules: Record<string, string>;
  /** A hash of the fields and options by collection. */
  definitions: Record<string, string>;
  /** Definitions of indexes, normalized and sorted. */
  indexes: string[];
  /** A hash of all tables, views and triggers. */
  schema: string;
  /** A hash of what the owner signs in with; null without its record. */
  owner: string | null;
}

const RULES = ['listRule', 'viewRule', 'createRule', 'updateRule', 'deleteRule'] as const;
/** PocketBase itself deletes their rows when they expire. */
const SHORT_LIVED: ReadonlySet<string> = new Set(['_mfas', '_otps', '_authOrigins']);
/** Tables of Fathom are not part of the application. */
const OWN_PREFIX = '_fathom_';

/** Reads the facts of a `data.db` that no process writes to. Takes long for many rows. */
export function readFacts(database: DatabaseSync, ownerId: string): DatabaseFacts {
  const collections = database.prepare('SELECT * FROM _collections ORDER BY name').all();
  const objects = database
    .prepare('SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name')
    .all()
    .filter((row) => ![row['tbl_name'], row['name']].some((name) => String(name).startsWith(OWN_PREFIX)));
  const tables = new Set(objects.filter(({ type }) => type === 'table').map(({ name }) => String(name)));
  const named = collections.map((row) => ({ name: String(row['name']), type: String(row['type']), row }));
  return {
    migrations: database
      .prepare('SELECT file FROM _migrations ORDER BY file')
      .all()
      .map(({ file }) => String(file)),
    rows: Object.fromEntries(
      named
        .filter(({ name }) => tables.has(name) && !SHORT_LIVED.has(name))
        .map(({ name }) => [name, countRows(database, name)]),
    ),
    rules: Object.fromEntries(named.map(({ name, row }) => [name, rulesOf(row)])),
    definitions: Object.fromEntries(
      named.map(({ name, type, row }) => [name, hashOf([type, row['fields'], row['options']])]),
    ),
    indexes: objects
      .filter(({ type }) => type === 'index')
      .map(({ sql }) => normalizeIndex(String(sql)))
      .toSorted(),
    schema: hashOf(objects.filter(({ type }) => type !== 'index').map(({ name, sql }) => [name, sql])),
    owner: ownerHash(database, ownerId),
  };
}

/**
 * Describes what a change of PocketBase has changed in the data; null when everything is the same.
 *
 * @param before before the new version ran, `after` while no process runs
 */
export function describeLoss(before: DatabaseFacts, after: DatabaseFacts): string | null {
  for (const [name, count] of Object.entries(before.rows)) {
    const now = after.rows[name];
    if (now === undefined) return `the collection ${name} is gone`;
    if (now !== count) return `${name} has ${now} rows, before the change ${count}`;
  }
  for (const [name, rules] of Object.entries(before.rules)) {
    if (after.rules[name] === undefined) return `the collection ${name} is gone`;
    if (after.rules[name] !== rules) return `the rules of ${name} have changed`;
  }
  const missing = before.indexes.find((index) => !after.indexes.includes(index));
  if (missing !== undefined) return `an index is gone: ${missing}`;
  return before.owner === after.owner ? null : 'the account of the owner has changed';
}

/** Whether a version that wrote `before` can open the data of `now`: nothing but rows differs. */
export function hasSameSchema(before: DatabaseFacts, now: DatabaseFacts): boolean {
  const shape = ({ migrations, rules, definitions, indexes, schema }: DatabaseFacts) =>
    hashOf([migrations, rules, definitions, indexes, schema]);
  return shape(before) === shape(now);
}

/** Without the differences that PocketBase makes when it saves a collection again: quotes, case and space. */
export function normalizeIndex(sql: string): string {
  return sql
    .replaceAll(/["'`[\]]/g, '')
    .replaceAll(/\bif not exists\b/gi, '')
    .replaceAll(/\s*([(),])\s*/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .toLowerCase();
}

function countRows(database: DatabaseSync, table: string): number {
  return Number(database.prepare(`SELECT count(*) AS n FROM ${quoteName(table)}`).get()?.['n']);
}

function rulesOf(row: Record<string, unknown>): string {
  const options = JSON.parse(String(row['options'])) as Record<string, unknown>;
  return JSON.stringify([...RULES.map((rule) => row[rule]), options['authRule'], options['manageRule']]);
}

function ownerHash(database: DatabaseSync, ownerId: string): string | null {
  const row = database
    .prepare('SELECT id, email, password, tokenKey, verified FROM users WHERE id = ?')
    .get(ownerId);
  return row ? hashOf(row) : null;
}

function hashOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value));
}
