import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { putFiles } from '../helpers/applications.ts';
import { SCRIPTED } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUpMany, untilRunning } from '../helpers/fleet-actions.ts';
import { changeUserDatabase } from '../helpers/user-migrations.ts';
import { createStage, type RolloutStage, untilEnded } from './stage.ts';

const COUNT = 3;
const FAST = { watch_s: 1, max_failures: COUNT };
const GREETS = (text: string) => `
const { suffix } = require(\`\${__hooks}/lib/suffix.js\`);
routerAdd('GET', '/hello', (e) => e.string(200, '${text}' + require(\`\${__hooks}/lib/suffix.js\`).suffix));
`;
/** Ends the process at its start in databases with this title. */
const ENDS_FOR = (title: string) => `
onBootstrap((e) => {
  e.next();
  if (e.app.countRecords('documents', $dbx.hashExp({ title: '${title}' })) > 0) throw new Error('bad data');
});`;

let stage: RolloutStage;
let names: string[];

beforeAll(async () => {
  stage = await createStage(COUNT, { PB_HEALTH_INTERVAL: '1' });
  names = stage.tenants.map(({ name }) => name);
});

afterAll(() => stage?.fathom.dispose(), 120_000);

const put = (files: Record<string, string>) => putFiles(join(stage.fathom.dataDir, 'apps', 'shop'), files);
const runs = (name: string) => untilRunning(stage.fathom, name);
const pids = () => Promise.all(names.map(async (name) => (await runs(name)).pid));

async function get(name: string, path: string): Promise<string> {
  const { url } = await runs(name);
  const response = await fetch(`${url}${path}`, { headers: { connection: 'close' } });
  return `${response.status} ${await response.text()}`;
}

const greetings = () => Promise.all(names.map((name) => get(name, '/hello')));

it('tests applications on scratch databases', async () => {
  const { fathom } = stage;
  await putFiles(join(fathom.dataDir, 'apps'), {
    'good/app.json': '{"name":"good","version":"1.0.0","description":"A good one"}',
    'good/migrations/1800000010_good.js': `migrate(
      (app) => app.save(new Collection({ type: 'base', name: 'good', fields: [] })),
      (app) => app.delete(app.findCollectionByNameOrId('good')),
    );`,
    'good/hooks/good.pb.js': GREETS('').replaceAll('suffix', 'good'),
    'good/hooks/lib/good.js': "module.exports = { good: '' };",
    'one-way/migrations/1800000011_one_way.js':
      "migrate((app) => app.save(new Collection({ type: 'base', name: 'one', fields: [] })));",
    'no-return/migrations/1800000012_no_return.js':
      "migrate((app) => app.save(new Collection({ type: 'base', name: 'two', fields: [] })), () => {});",
    'broken/hooks/main.pb.js': '\nfoo();',
  });
  const run = (...args: string[]) => fathomd(['apps', ...args, '--json', '--socket', fathom.socketPath]);
  const { applications } = JSON.parse((await run('list')).stdout) as { applications: object[] };
  expect(applications).toContainEqual(
    expect.objectContaining({ name: 'documents', built_in: true, chosen: true }),
  );
  expect(applications).toContainEqual(
    expect.objectContaining({ name: 'good', version: '1.0.0', migrations: 1, hooks: 1, public_files: 0 }),
  );
  const { exitCode, stdout } = await run('check', 'good', 'one-way', 'no-return', 'broken', 'documents');
  expect(exitCode).toBe(1);
  expect(JSON.parse(stdout)).toEqual([
    { name: 'good', problem: null, warnings: [] },
    {
      name: 'one-way',
      problem: null,
      warnings: [expect.stringContaining('1800000011_one_way.js') as string],
    },
    {
      name: 'no-return',
      problem: expect.objectContaining({ code: 'failed', file: '1800000012_no_return.js' }) as object,
      warnings: [],
    },
    {
      name: 'broken',
      problem: expect.objectContaining({
        code: 'hook_broken',
        file: 'broken/hooks/main.pb.js',
        line: 2,
      }) as object,
      warnings: [],
    },
    { name: 'documents', problem: null, warnings: [] },
  ]);
  expect((await run('check', 'nothing')).exitCode).not.toBe(0);
  await rm(join(fathom.dataDir, 'apps'), { recursive: true });
});

it('leaves unknown paths of the API to a hook with a route for all paths', async () => {
  const [first = ''] = names;
  await put({
    'hooks/all.pb.js': "routerAdd('GET', '/', (e) => e.string(200, 'any path'));",
    'public/index.html': 'the shop',
  });
  await stage.fathom.client.databases.restart(first);
  for (const path of ['/', '/orders/7', '/api/unknown']) expect(await get(first, path)).toBe('200 any path');
  await rm(join(stage.fathom.dataDir, 'apps'), { recursive: true });
});

it('gives hooks and static files to the database that a person restarts, and to a new one', async () => {
  const { fathom } = stage;
  const before = await pids();
  await put({
    'app.json': '{"name":"shop","version":"1.0.0"}',
    'hooks/main.pb.js': GREETS('one'),
    'hooks/lib/suffix.js': "module.exports = { suffix: '!' };",
    'hooks/_none/unknown.txt': 'not public',
    'public/index.html': 'the shop',
  });
  const [first = ''] = names;
  await fathom.client.databases.restart(first);
  expect((await fathom.client.migrations.status()).problem).toBeNull();
  expect(await get(first, '/hello')).toBe('200 one!');
  expect(await get(first, '/')).toBe('200 the shop');
  expect(await get(first, '/orders/7')).toBe('200 the shop');
  // Unknown paths of the API are answered as without a page.
  for (const path of ['/api/unknown', '/api/', '/api/v9/a/b?c=d', '/api/unknown.txt'])
    expect(await get(first, path)).toBe('404 {"data":{},"message":"File not found.","status":404}\n');
  expect(await get(first, '/api/health')).toMatch(/^200 /);
  // The others run on as they are.
  expect((await pids()).slice(1)).toEqual(before.slice(1));
  expect((await greetings()).slice(1)).toEqual(
    Array.from({ length: COUNT - 1 }, () => expect.stringMatching(/^404/)),
  );
  const [added] = await signUpMany(fathom, 1);
  expect(await get(added?.name ?? '', '/hello')).toBe('200 one!');
});

it('replaces the processes of the others one by one in a rollout', async () => {
  const { fathom } = stage;
  const before = await pids();
  const plan = await fathom.client.migrations.plan({ databases: names });
  expect(plan.databases).toEqual(
    names.slice(1).map((name) => ({ name, pending: ['hooks and static files'] })),
  );
  await fathom.client.migrations.apply({ ...FAST, databases: names });
  expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: COUNT - 1, problems: [] });
  expect(await greetings()).toEqual(names.map(() => '200 one!'));
  const after = await pids();
  expect(after[0]).toBe(before[0]);
  expect(after.slice(1)).not.toEqual(before.slice(1));
  await expect(fathom.client.migrations.plan({ databases: names })).rejects.toMatchObject({
    code: 'conflict',
  });
});

it('refuses a broken hook with its file and line, and databases keep the last good ones', async () => {
  const { fathom } = stage;
  await put({ 'hooks/main.pb.js': `${GREETS('two')}\nlet x = ;\n` });
  const [first = ''] = names;
  await fathom.client.databases.restart(first);
  expect((await fathom.client.migrations.status()).problem).toMatchObject({
    code: 'hook_broken',
    file: 'shop/hooks/main.pb.js',
    line: 5,
    message: expect.stringContaining('shop/hooks/main.pb.js:5: SyntaxError') as string,
  });
  expect(await greetings()).toEqual(names.map(() => '200 one!'));
});

it('takes a database back whose data the new hooks do not bear, also at its next start', async () => {
  const { fathom } = stage;
  const [, victim = ''] = names;
  await fathom.client.databases.stop(victim);
  changeUserDatabase(fathom, victim, "UPDATE documents SET title = 'odd'");
  await fathom.client.databases.start(victim);
  await put({ 'hooks/main.pb.js': `${GREETS('three')}${ENDS_FOR('odd')}` });
  await fathom.client.migrations.apply({ ...FAST, databases: names });
  const rollout = await untilEnded(fathom);
  expect(rollout).toMatchObject({ changed: COUNT - 1, failed: 1 });
  expect(rollout.problems[0]).toMatchObject({ name: victim, result: 'failed' });
  expect(rollout.problems[0]?.message).toContain('bad data');
  const expected = names.map((name) => (name === victim ? '200 one!' : '200 three!'));
  expect(await greetings()).toEqual(expected);
  await fathom.client.databases.restart(victim);
  expect(await runs(victim)).toMatchObject({ reason: { code: 'migration_failed' } });
  expect(await greetings()).toEqual(expected);
});

it('keeps the hooks of before where a start with new ones fails', async () => {
  const { fathom } = stage;
  const [, victim = ''] = names;
  await put({ 'hooks/main.pb.js': `${GREETS('four')}${ENDS_FOR('odd')}` });
  await fathom.client.databases.restart(victim);
  const { reason } = await runs(victim);
  expect(reason).toMatchObject({ code: 'hook_broken' });
  expect(reason?.message).toContain('bad data');
  expect(await get(victim, '/hello')).toBe('200 one!');
  changeUserDatabase(fathom, victim, "UPDATE documents SET title = 'fine'");
  await fathom.client.databases.restart(victim);
  expect(await get(victim, '/hello')).toBe('200 four!');
  expect(await runs(victim)).toMatchObject({ reason: null });
});

it('leaves processes with hooks running when the daemon restarts', async () => {
  const { fathom } = stage;
  const before = await pids();
  stage.daemon.signal('SIGKILL');
  await stage.daemon.exited;
  stage.daemon = await fathom.start({}, SCRIPTED);
  expect(await pids()).toEqual(before);
});

it('removes the hooks with the application, and not by FATHOM_APPS', async () => {
  const { fathom } = stage;
  await stage.daemon.stop();
  stage.daemon = await fathom.start({ FATHOM_APPS: 'documents' }, SCRIPTED);
  const [first = ''] = names;
  await fathom.client.databases.restart(first);
  expect(await get(first, '/hello')).toBe('200 four!');
  await fathom.client.applications.remove('shop', { ...FAST, databases: [first] });
  expect(await untilEnded(fathom)).toMatchObject({ changed: 1 });
  expect(await get(first, '/hello')).toMatch(/^404/);
});
