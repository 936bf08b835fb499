import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { envelopesOf, tables } from '../../../pb_hooks/global/rules/envelopes.js';

it.each(['users', 'toString', '__proto__', 'sealed_secrets; --'])('knows no envelopes in %s', (table) => {
  expect(envelopesOf(table)).toBeNull();
});

it.each([...tables])('finds, counts and replaces the envelopes of %s', (table) => {
  const envelopes = envelopesOf(table);
  if (!envelopes) throw new Error(`no envelopes in ${table}`);
  const { belongsTo, ...texts } = envelopes;
  const field = belongsTo('x').split('/')[2];
  const sql = new DatabaseSync(':memory:');
  sql.exec(`CREATE TABLE ${table} (id TEXT, user TEXT, name TEXT, ${field} TEXT)`);
  const insert = sql.prepare(`INSERT INTO ${table} (id, user, name, ${field}) VALUES (?, 'u', 'n', ?)`);
  insert.run('a', 'v1.old.rest');
  insert.run('b', 'v1.new.rest');
  insert.run('c', '');
  const prepare = (text: string) => sql.prepare(text.replace(/\{:(\w+)\}/g, ':$1'));
  const page = { after: '', current: 'v1.new.', limit: 10 };

  expect(prepare(texts.counts).all()).toMatchObject([
    { key_id: 'new', count: 1 },
    { key_id: 'old', count: 1 },
  ]);
  expect(prepare(texts.outdated).all(page)).toMatchObject([{ id: 'a', envelope: 'v1.old.rest' }]);
  const replace = (old: string) => prepare(texts.replace).run({ id: 'a', old, fresh: 'v1.new.x' }).changes;
  expect([replace('v1.other'), replace('v1.old.rest')]).toEqual([0, 1]);
  expect(prepare(texts.outdated).all(page)).toEqual([]);
});
