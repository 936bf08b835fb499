import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApplicationCheck } from '../../shared/api/applications.ts';
import { putFiles } from '../helpers/applications.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';

/** What projects of PocketBase in public contain, of all its versions. */
interface Foreign {
  what: string;
  files: Record<string, string>;
  problem?: string;
  warning?: string;
}

const OLD = 'written for PocketBase before 0.23';
const COLLECTION = (name: string) => `migrate(
  (app) => app.save(new Collection({ type: 'base', name: '${name}', fields: [] })),
  (app) => app.delete(app.findCollectionByNameOrId('${name}')),
);`;

const PROJECTS: Record<string, Foreign> = {
  'v0-16-dao': {
    what: 'a migration with Dao',
    files: {
      'migrations/1700000000_a.js': `migrate((db) => {
        const collection = new Collection({ name: 'a', type: 'base', schema: [{ name: 'x', type: 'text' }] });
        return Dao(db).saveCollection(collection);
      });`,
    },
    problem: `1700000000_a.js:3: ReferenceError: Dao is not defined; 'Dao' was ${OLD}`,
  },
  'v0-18-field': {
    what: 'a migration with SchemaField',
    files: { 'migrations/1700000001_b.js': 'migrate(() => {\nnew SchemaField({ name: "x" });\n});' },
    problem: `1700000001_b.js:2: ReferenceError: SchemaField is not defined; 'SchemaField' was ${OLD}`,
  },
  'v0-20-hook': {
    what: 'a hook of an old name',
    files: { 'hooks/main.pb.js': '\nonRecordBeforeCreateRequest((e) => null, "documents");' },
    problem: `v0-20-hook/hooks/main.pb.js:2: ReferenceError: onRecordBeforeCreateRequest is not defined; 'onRecordBeforeCreateRequest' was ${OLD}`,
  },
  'v0-22-route': {
    what: 'a route with a middleware of an old name',
    files: { 'hooks/main.pb.js': 'routerAdd("GET", "/a", (c) => c.json(200), $apis.requireRecordAuth());' },
    problem: `v0-22-route/hooks/main.pb.js:1: TypeError: Object has no member 'requireRecordAuth'; 'requireRecordAuth()' was ${OLD}`,
  },
  'v0-23-schema': {
    what: 'a collection whose fields have the old name, which PocketBase leaves out',
    files: {
      'migrations/1700000002_c.js': `migrate((app) => app.save(new Collection({
        name: 'c', type: 'base',
        schema: [{ name: 'x', type: 'text' }],
      })), (app) => app.delete(app.findCollectionByNameOrId('c')));`,
    },
    problem: "1700000002_c.js:3: the collection 'c' has no fields: PocketBase reads no 'schema' since 0.23",
  },
  'v0-22-snapshot': {
    what: 'a snapshot whose collections have fields of the old name',
    files: {
      'migrations/1700000009_snapshot.js': `migrate((app) => {
        const snapshot = [{
          "name": "j", "type": "base",
          "schema": [
            { "name": "x", "type": "text", "options": {} }
          ],
        }];
        return app.importCollections(snapshot, false);
      });`,
    },
    problem: "1700000009_snapshot.js:4: the collection 'j' has no fields",
  },
  'v0-22-rule': {
    what: 'a rule of a field of the old name',
    files: {
      'migrations/1700000010_k.js': `migrate((app) => app.save(new Collection({
        name: 'k', type: 'base', listRule: 'x != ""',
        schema: [{ name: 'x', type: 'text' }],
      })));`,
    },
    problem: 'unknown field "x".; line 3: PocketBase reads no \'schema\'',
  },
  'v0-22-fields': {
    what: 'a changed collection',
    files: {
      'migrations/1700000011_l.js': `migrate((app) => {
        const users = app.findCollectionByNameOrId('users');
        users.schema.addField({ name: 'x' });
      });`,
    },
    problem: "line 3: a collection has no 'schema' since PocketBase 0.23: use its 'fields'",
  },
  'v0-22-sql': {
    what: 'SQL of the argument of a migration',
    files: { 'migrations/1700000012_m.js': "migrate((db) => {\n  db.newQuery('SELECT 1').execute();\n});" },
    problem: "1700000012_m.js:2: TypeError: Object has no member 'newQuery'; line 2: the argument",
  },
  'v0-20-form': {
    what: 'a form of an old name',
    files: { 'migrations/1700000013_n.js': 'migrate((app) => new CollectionUpsertForm(app));' },
    problem: `'CollectionUpsertForm' was ${OLD}`,
  },
  'v0-22-context': {
    what: 'a handler with the context of before',
    files: { 'hooks/main.pb.js': "routerAdd('GET', '/x/{id}', (c) => c.string(200, c.pathParam('id')));" },
    warning: 'v0-22-context/hooks/main.pb.js:1: the context of a request is another one',
  },
  commented: {
    what: 'old code in comments, and names that are like it',
    files: {
      'hooks/main.pb.js': `// $app.dao()
        /* c.pathParam('x') and
           e.httpContext */
        onRecordAfterCreateSuccess((e) => e.next(), 'documents');
        const url = 'https://example.com'; const it = { pathParam: () => url };
        it.pathParam();`,
    },
  },
  browser: {
    what: 'a function of browsers',
    files: { 'hooks/main.pb.js': "fetch('https://example.com');" },
    problem: "PocketBase has no 'fetch': use $http.send()",
  },
  'later-errors': {
    what: 'a handler that fails when it is called',
    files: { 'hooks/main.pb.js': "routerAdd('GET', '/x', (e) => $app.dao());" },
    warning: "later-errors/hooks/main.pb.js:1: 'dao()' is not there",
  },
  'of-pocketbase': {
    what: 'the directories of PocketBase',
    files: { 'pb_hooks/main.pb.js': '', 'migrations/1700000003_d.js': COLLECTION('d') },
    warning: "pb_hooks is not used: rename it to 'hooks'",
  },
  exported: {
    what: 'exported collections alone',
    files: { 'pb_schema.json': '[]' },
    warning: 'pb_schema.json is not used: import the collections in the dashboard',
  },
  nested: {
    what: 'migrations in directories of years',
    files: { 'migrations/2024/1700000004_e.js': COLLECTION('e') },
    warning: 'migrations/2024/1700000004_e.js is not used',
  },
  'no-hook': {
    what: 'hooks without a name that PocketBase loads',
    files: { 'hooks/main.js': 'foo();' },
    warning: "no file in hooks is loaded: PocketBase loads those whose names end with '.pb.js'",
  },
  modules: {
    what: 'a module in place of a script',
    files: { 'hooks/main.pb.js': "import x from './x.js';" },
    problem: 'use require() and module.exports',
  },
  packages: {
    what: 'a package of npm',
    files: { 'hooks/main.pb.js': "require('lodash');" },
    problem: 'a package of npm must be bundled',
  },
  typed: {
    what: 'TypeScript',
    files: { 'migrations/1700000005_f.ts': 'migrate((app: core.App) => null);' },
    problem: 'PocketBase runs JavaScript without types',
  },
  'from-windows': {
    what: 'a byte order mark and lines of Windows',
    files: { 'migrations/1700000006_g.js': `\uFEFF${COLLECTION('g').replaceAll('\n', '\r\n')}` },
  },
  'one-second': {
    what: 'two migrations of one second',
    files: {
      'migrations/1700000007_h.js': COLLECTION('h'),
      'migrations/1700000007_i.js': COLLECTION('i'),
    },
  },
  users: {
    what: 'a new field of the users of PocketBase',
    files: {
      'migrations/1700000008_users.js': `migrate((app) => {
        const users = app.findCollectionByNameOrId('_pb_users_auth_');
        users.fields.add(new TextField({ name: 'nickname' }));
        app.save(users);
      }, (app) => {
        const users = app.findCollectionByNameOrId('_pb_users_auth_');
        users.fields.removeByName('nickname');
        app.save(users);
      });`,
    },
  },
};

let fathom: Deployment;
let checks: (ApplicationCheck & { name: string })[];

beforeAll(async () => {
  fathom = await createDeployment({ FATHOM_APPS: 'documents' });
  for (const [name, { files }] of Object.entries(PROJECTS))
    await putFiles(join(fathom.dataDir, 'apps', name), files);
  await fathom.start();
  const names = Object.keys(PROJECTS);
  const { stdout } = await fathomd(['apps', 'check', ...names, '--json', '--socket', fathom.socketPath]);
  checks = JSON.parse(stdout) as typeof checks;
}, 180_000);

afterAll(() => fathom?.dispose(), 120_000);

it.each(Object.entries(PROJECTS))('says what to do about %s', (name, { problem, warning }) => {
  const check = checks.find((one) => one.name === name);
  if (problem === undefined) expect(check?.problem).toBeNull();
  else expect(check?.problem?.message).toContain(problem);
  if (warning === undefined) expect(check?.warnings).toEqual([]);
  else expect(check?.warnings.join('\n')).toContain(warning);
});
