import { expect, it } from 'vitest';
import { findMisleading, scriptAdvice } from './script-advice.ts';

it.each([
  'Dao',
  'SchemaField',
  '$tokens',
  'onRecordBeforeUpdateRequest',
  'onModelAfterCreate',
  'onBeforeServe',
])('knows %s of before PocketBase 0.23', (name) => {
  expect(scriptAdvice(`ReferenceError: ${name} is not defined`, 'a.js')).toContain('before 0.23');
});

it.each(['foo', 'onRecordAfterCreateSuccess', 'onModelAfterDeleteError', 'Daoist', 'onServ'])(
  'does not know %s',
  (name) => {
    expect(scriptAdvice(`ReferenceError: ${name} is not defined`, 'a.js')).toBeNull();
  },
);

it('finds code that is loaded and does not do what it says, with its line', () => {
  const source = `
routerAdd('GET', '/a/:id', (e) => {
  $app.dao().findRecordById('a', 'b');
});
const c = new Collection({
  name: 'a',
  schema: [],
});
routerAdd('GET', '/b/{id}', (e) => e.redirect(307, '/c/:x'));
const d = new Collection({ name: 'b', fields: [{ name: 'schema' }] });
const e = { schema: [] };
`;
  expect(findMisleading(source).map(({ line }) => line)).toEqual([2, 3, 7]);
});
