import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { createTriggers, UnsafeDatabase } from './schema-check.ts';
import { inTransaction, withDatabase } from './sqlite.ts';

const TABLES = `
  CREATE TABLE \`_collections\` (\`id\` TEXT PRIMARY KEY DEFAULT ('r'||lower(hex(randomblob(7)))) NOT NULL,
    \`name\` TEXT, \`fields\` JSON, \`indexes\` JSON, \`options\` JSON,
    \`created\` TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%fZ')) NOT NULL);
  CREATE TABLE \`users\` (\`id\` TEXT PRIMARY KEY NOT NULL, \`email\` TEXT DEFAULT '' NOT NULL, \`tokenKey\` TEXT);
  CREATE UNIQUE INDEX \`idx_email\` ON \`users\` (\`email\` COLLATE NOCASE) WHERE \`email\` != '';
  CREATE INDEX by_name ON users (lower(email), coalesce(substr(tokenKey, 1, 9), ''));
  CREATE TABLE _fathom_ended_tokens (key TEXT PRIMARY KEY) WITHOUT ROWID;
  ${createTriggers()};
  CREATE VIEW report AS SELECT users.id, upper(users.email) AS email FROM users;
  CREATE TABLE notes (id TEXT, owner TEXT REFERENCES users(id), n GENERATED ALWAYS AS (length(id)), CHECK (id LIKE '_%'));
  CREATE VIRTUAL TABLE users_search USING fts5(email);
  CREATE TRIGGER copied AFTER UPDATE ON notes BEGIN UPDATE notes SET id = (SELECT id FROM users); END;
  INSERT INTO users VALUES ('owner', 'a@example.com', 'key')`;
const ENDLESS = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c';

async function file(sql: string): Promise<string> {
  const path = join(await scratch(), 'data.db');
  using database = new DatabaseSync(path, { enableDoubleQuotedStringLiterals: true });
  database.exec(`PRAGMA journal_mode = WAL; ${TABLES}; ${sql}`);
  return path;
}

const read = (path: string) =>
  withDatabase(path, { readOnly: true }, (database) => database.prepare('SELECT * FROM users').all());
const write = (path: string) =>
  withDatabase(path, { readOnly: false }, (database) =>
    inTransaction(database, () =>
      database.exec("UPDATE users SET email = 'b@example.com', tokenKey = 'other'"),
    ),
  );

it('uses a database with views, triggers and virtual tables of other names', async () => {
  const path = await file('SELECT 1');
  write(path);
  expect(read(path)).toMatchObject([{ email: 'b@example.com' }]);
});

const column = (definition: string) =>
  `DROP VIEW report; DROP TABLE users; CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, tokenKey TEXT, ${definition})`;

describe('refuses to read', () => {
  it.each([
    [
      'a view',
      `DROP VIEW report; ALTER TABLE users RENAME TO users_real; CREATE VIEW users AS SELECT * FROM users_real WHERE (${ENDLESS}) > 0`,
    ],
    ['a view in other letters', `DROP VIEW report; DROP TABLE users; CREATE VIEW [USERS] AS ${ENDLESS}`],
    ['a view behind a comment', `DROP VIEW report; DROP TABLE users; CREATE VIEW/**/"users" AS ${ENDLESS}`],
    ['a virtual table', 'DROP VIEW report; DROP TABLE users; CREATE VIRTUAL TABLE users USING fts5(id)'],
    ['a generated column', column("x GENERATED ALWAYS AS (length(replace(hex(zeroblob(9)), '0', 'x')))")],
    ['a short generated column', column('x AS (hex(id))')],
    ['a constraint', column("CHECK (email NOT LIKE '%a%a%a%b')")],
    ['a costly default', column('x DEFAULT (hex(zeroblob(1000000)))')],
    ['a large default', column('x DEFAULT (randomblob(100000000))')],
    ['a costly index', "CREATE INDEX costly ON users (replace(hex(zeroblob(1000000)), '0', id))"],
    ['an index with the name of a keyword', "CREATE INDEX temp ON users (replace(id, '0', id))"],
    ['a table in place of a function', `CREATE VIEW json_each AS ${ENDLESS}`],
    ['a view for a table of Fathom', `CREATE VIEW _fathom_owner AS ${ENDLESS}`],
    [
      'many rows',
      'INSERT INTO users (id) WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) SELECT x FROM c',
    ],
    [
      'much to read',
      "INSERT INTO _collections (options) WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 9) SELECT 'x' || hex(zeroblob(1000000)) FROM c",
    ],
  ])('%s', async (_what, sql) => {
    const path = await file(sql);
    expect(() => read(path)).toThrow(UnsafeDatabase);
    expect(() => write(path)).toThrow(UnsafeDatabase);
  });

  it('a large value', async () => {
    const path = await file('UPDATE users SET email = hex(zeroblob(4000000))');
    expect(() => read(path)).toThrow('too big');
  });

  it('a pipe, a device and a link to another database', async () => {
    const [directory, other] = [await scratch(), await file('SELECT 1')];
    for (const name of ['pipe', 'beside-wal', 'beside-journal'])
      execFileSync('mkfifo', [join(directory, name)]);
    symlinkSync(other, join(directory, 'linked'));
    symlinkSync('/dev/zero', join(directory, 'device'));
    for (const name of ['pipe', 'beside', 'linked', 'device']) {
      expect(() => read(join(directory, name))).toThrow(UnsafeDatabase);
      expect(() => write(join(directory, name))).toThrow(UnsafeDatabase);
    }
  });
});

it.each([
  ['another trigger', `CREATE TRIGGER x AFTER UPDATE ON users BEGIN ${ENDLESS}; END`],
  [
    'a trigger with a qualified table',
    `CREATE TRIGGER main.x AFTER UPDATE ON main.users BEGIN ${ENDLESS}; END`,
  ],
  ['a trigger with the name of a keyword', `CREATE TRIGGER temp AFTER UPDATE ON users BEGIN ${ENDLESS}; END`],
  [
    'a trigger with a space inside its name',
    `CREATE TRIGGER x\u00A0ON\u00A0y AFTER UPDATE ON users BEGIN ${ENDLESS}; END`,
  ],
  [
    'another trigger of the name of one of Fathom',
    `DROP TRIGGER _fathom_token_ended; CREATE TRIGGER _fathom_token_ended AFTER UPDATE ON users BEGIN ${ENDLESS}; END`,
  ],
])('reads, but does not write, a table with %s', async (_what, sql) => {
  // SELECT in a trigger cannot begin with WITH.
  const path = await file(sql.replace(ENDLESS, `SELECT (${ENDLESS})`));
  expect(read(path)).toHaveLength(1);
  expect(() => write(path)).toThrow(UnsafeDatabase);
});
