import type { DatabaseSync } from 'node:sqlite';
import { FathomError } from '../../../shared/errors.ts';

/*
 * A compromised PocketBase can write anything into its files, also between two calls of the daemon. SQLite runs parts of the
 * schema: views, triggers, virtual tables, generated columns, constraints and indexed expressions. SQL of the daemon runs in
 * its main thread, so it uses only ordinary tables of a bounded size. The check and the use share one transaction.
 */

/** Bytes of one value or row. SQLite refuses larger ones. */
export const MAX_VALUE_BYTES = 4 * 1024 * 1024;
/** Bytes of one statement of the schema. */
export const MAX_STATEMENT_BYTES = 1024 * 1024;
const MAX_ROWS = 10_000;
/** Bytes of the columns that the daemon reads from every row of a table. */
const MAX_READ_BYTES = 16 * 1024 * 1024;
const MAX_DEFAULT_TOKENS = 60;
const MAX_INDEX_TOKENS = 400;
const MAX_VERDICTS = 500;
/** Characters. Verdicts on longer statements are not kept. */
const MAX_KEPT_STATEMENT = 4_000;
const verdicts = new Map<string, Verdict | null>();

const TABLES: ReadonlySet<string> = new Set([
  'users',
  '_superusers',
  '_collections',
  '_params',
  '_migrations',
  '_logs',
]);
/** Functions of SQLite that the daemon uses as tables. A table with such a name would replace the function. */
const TABLE_FUNCTIONS: ReadonlySet<string> = new Set(['json_each']);
const FATHOM_PREFIX = '_fathom_';
const MENTIONS_GUARDED = /users|_collections|_params|_migrations|_logs|_fathom_|json_each/i;

/** Columns that the daemon reads from every row. */
const READ_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  users: ['id'],
  _superusers: ['id'],
  _collections: ['fields', 'indexes', 'options'],
  _params: ['value'],
  _migrations: ['file'],
  _fathom_migrations: ['file', 'sha256'],
  _fathom_pocketbase: ['version'],
};

const CHEAP_FUNCTIONS: ReadonlySet<string> = new Set(
  'abs coalesce date datetime hex ifnull iif json_extract julianday length lower max min nullif randomblob round strftime substr substring time trim unixepoch upper'.split(
    ' ',
  ),
);
const COSTLY_WORDS: ReadonlySet<string> = new Set(['select', 'like', 'glob', 'regexp', 'match']);
const EVALUATED_IN_TABLES: ReadonlySet<string> = new Set(['check', 'generated', 'as', 'select']);

/** Triggers of Fathom, by name. They fire when the daemon changes an account. */
const TRIGGERS: Readonly<Record<string, string>> = {
  _fathom_token_ended: `CREATE TRIGGER _fathom_token_ended AFTER UPDATE OF tokenKey ON users
    WHEN OLD.tokenKey <> NEW.tokenKey
    BEGIN INSERT OR IGNORE INTO _fathom_ended_tokens VALUES (OLD.tokenKey); END`,
  _fathom_token_kept_out: `CREATE TRIGGER _fathom_token_kept_out BEFORE UPDATE OF tokenKey ON users
    WHEN NEW.tokenKey IN (SELECT key FROM _fathom_ended_tokens)
    BEGIN SELECT RAISE(ABORT, 'the account has changed meanwhile'); END`,
};

/** A file of a database that the daemon does not use, because it could stop the daemon. */
export class UnsafeDatabase extends FathomError {
  constructor(what: string) {
    super(
      'instance.failed',
      `the daemon does not use the database, because ${what}; remove it from the file, or restore pb_data from a backup`,
    );
  }
}

interface SchemaObject {
  kind: string;
  name: string;
  /** The table that an index or a trigger belongs to; else the object itself. */
  table: string;
  /** What follows. */
  body: readonly string[];
}

/** Whether the daemon uses tables of this name. */
export function isGuardedTable(name: string): boolean {
  const lower = name.toLowerCase();
  return TABLES.has(lower) || TABLE_FUNCTIONS.has(lower) || lower.startsWith(FATHOM_PREFIX);
}

/** The SQL that creates Fathom's triggers on accounts, unless they exist. */
export function createTriggers(): string {
  return Object.values(TRIGGERS)
    .map((sql) => sql.replace('CREATE TRIGGER', 'CREATE TRIGGER IF NOT EXISTS'))
    .join(';');
}

export function isFathomTrigger(sql: string): boolean {
  return Object.values(TRIGGERS).includes(sql);
}

/** The table of a trigger, as SQLite reads it from the statement. */
export function tableOfTrigger(sql: string): string | null {
  return parse(sql)?.table ?? null;
}

/**
 * Call it in the transaction that uses the tables.
 *
 * @param options.allowTriggers for work that removes triggers before it writes
 * @throws UnsafeDatabase
 */
export function requireSafeSchema(
  database: DatabaseSync,
  { allowTriggers }: { allowTriggers: boolean },
): void {
  const tables = new Set<string>();
  for (const { sql } of database.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL').all()) {
    const verdict = typeof sql === 'string' ? verdictOf(sql) : UNKNOWN;
    if (verdict === null) continue;
    const isAllowed = verdict.kind === 'trigger' && allowTriggers;
    if (verdict.problem !== null && !isAllowed) throw new UnsafeDatabase(verdict.problem);
    if (verdict.kind === 'table') tables.add(verdict.table.toLowerCase());
  }
  for (const table of tables) if (table !== '_logs') requireBoundedTable(database, table);
}

interface Verdict {
  kind: string;
  table: string;
  problem: string | null;
}

const UNKNOWN: Verdict = { kind: '', table: '', problem: 'its schema contains an unknown statement' };

/** Null for an object that the daemon does not use. Most databases have the same statements, so verdicts are kept. */
function verdictOf(sql: string): Verdict | null {
  if (!MENTIONS_GUARDED.test(sql)) return null;
  const known = verdicts.get(sql);
  if (known !== undefined) return known;
  const verdict = judge(sql);
  if (verdicts.size >= MAX_VERDICTS) verdicts.clear();
  if (sql.length <= MAX_KEPT_STATEMENT) verdicts.set(sql, verdict);
  return verdict;
}

function judge(sql: string): Verdict | null {
  const object = parse(sql);
  if (object === null) return UNKNOWN;
  if (!isGuardedTable(object.table)) return null;
  return { kind: object.kind, table: object.table, problem: problemOf(object, sql) };
}

function problemOf({ kind, name, table, body }: SchemaObject, sql: string): string | null {
  if (kind === 'trigger') {
    return isFathomTrigger(sql) ? null : `it has the trigger ${name} on the table ${table}`;
  }
  if (kind === 'index') {
    const cost = body.length > MAX_INDEX_TOKENS ? 'its length' : costOf(body, { from: 0, to: body.length });
    return cost === null ? null : `the index ${name} of the table ${table} uses ${cost}`;
  }
  if (kind !== 'table' || TABLE_FUNCTIONS.has(table.toLowerCase())) {
    return `${name} is a ${kind === 'virtual' ? 'virtual table' : kind}`;
  }
  const evaluated = body.find((token) => EVALUATED_IN_TABLES.has(token.toLowerCase()));
  if (evaluated !== undefined) return `the table ${table} uses ${evaluated.toUpperCase()}`;
  const cost = costOfDefaults(body);
  return cost === null ? null : `a default value in the table ${table} uses ${cost}`;
}

function costOfDefaults(body: readonly string[]): string | null {
  for (const [at, token] of body.entries()) {
    if (token.toLowerCase() !== 'default' || body[at + 1] !== '(') continue;
    let depth = 0;
    let end = at + 1;
    do {
      if (body[end] === '(') depth += 1;
      if (body[end] === ')') depth -= 1;
      end += 1;
    } while (depth > 0 && end < body.length);
    if (end - at > MAX_DEFAULT_TOKENS) return 'a long expression';
    const cost = costOf(body, { from: at + 2, to: end });
    if (cost !== null) return cost;
  }
  return null;
}

function costOf(tokens: readonly string[], { from, to }: { from: number; to: number }): string | null {
  for (let at = from; at < to; at += 1) {
    const token = tokens[at] ?? '';
    const word = unquoted(token).toLowerCase();
    if (COSTLY_WORDS.has(token.toLowerCase())) return word.toUpperCase();
    const isCall =
      tokens[at + 1] === '(' && /^["`[\w]/.test(token) && !/^(?:and|or|not|in|where)$/i.test(token);
    if (isCall && !CHEAP_FUNCTIONS.has(word)) return `the function ${word}`;
    if (isCall && word === 'randomblob' && !/^\d{1,2}$/.test(tokens[at + 2] ?? ''))
      return 'a large randomblob';
  }
  return null;
}

function requireBoundedTable(database: DatabaseSync, table: string): void {
  const columns = READ_COLUMNS[table] ?? [];
  const bytes =
    columns.length === 0 ? '0' : columns.map((column) => `coalesce(octet_length(${column}), 0)`).join(' + ');
  const row = database
    .prepare(
      `SELECT count(*) AS n, coalesce(sum(bytes), 0) AS bytes FROM (SELECT ${bytes} AS bytes FROM "${table}" LIMIT ?)`,
    )
    .get(MAX_ROWS + 1);
  if (Number(row?.['n']) > MAX_ROWS)
    throw new UnsafeDatabase(`the table ${table} has more than ${MAX_ROWS} rows`);
  if (Number(row?.['bytes']) > MAX_READ_BYTES) {
    throw new UnsafeDatabase(`the table ${table} holds more than ${MAX_READ_BYTES / 1024 / 1024} MiB`);
  }
}

const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[ \t\n\v\f\r]+|"(?:[^"]|"")*"|`(?:[^`]|``)*`|'(?:[^']|'')*'|\[[^\]]*\]|[\w$\u0080-\uffff]+|[\s\S]/gy;

/** Null for a statement that SQLite does not store. */
function parse(sql: string): SchemaObject | null {
  // SQLite skips it between two tokens, but not inside of a name.
  if (sql.includes('\uFEFF')) return null;
  const tokens = (sql.match(TOKEN) ?? []).filter((token) => !/^(?:[ \t\n\v\f\r]|--|\/\*)/.test(token));
  const at = (position: number): string => tokens[position]?.toLowerCase() ?? '';
  let next = 1;
  while (['unique', 'temp', 'temporary'].includes(at(next))) next += 1;
  const kind = at(next);
  if (at(0) !== 'create' || !['table', 'index', 'view', 'trigger', 'virtual'].includes(kind)) return null;
  next += kind === 'virtual' ? 2 : 1;
  if (at(next) === 'if' && at(next + 1) === 'not') next += 3;
  const takeName = (): string => {
    if (tokens[next + 1] === '.') next += 2;
    next += 1;
    return unquoted(tokens[next - 1] ?? '');
  };
  const name = takeName();
  if (kind !== 'index' && kind !== 'trigger') return { kind, name, table: name, body: tokens.slice(next) };
  while (next < tokens.length && at(next) !== 'on') next += 1;
  next += 1;
  const table = takeName();
  return { kind, name, table, body: tokens.slice(next) };
}

function unquoted(token: string): string {
  const [first] = token;
  if (first === '[') return token.slice(1, -1);
  if (first !== '"' && first !== '`' && first !== "'") return token;
  return token.slice(1, -1).replaceAll(first + first, first);
}
