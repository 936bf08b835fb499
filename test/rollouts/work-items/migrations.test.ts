import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { verifyBinary } from '../../../daemon/pocketbase/binary/binary.ts';
import { addDocument } from '../../helpers/documents.ts';
import { fathomd } from '../../helpers/fathomd.ts';
import { signUp, untilInstance, untilRunning } from '../../helpers/fleet-actions.ts';
import { deployment } from '../../helpers/harness.ts';
import { scratch } from '../../helpers/scratch.ts';
import { testedPocketBase } from '../../helpers/tested-pocketbase.ts';
import { hasCollectionIn, readUserDatabase } from '../../helpers/user-migrations.ts';
import { untilEnded } from '../stage.ts';
import { WITH_WORK_ITEMS } from './stage.ts';

const PACKAGE = join(import.meta.dirname, '../../..');
const COUNT = 9;

it('is shown and can be tested, and databases have it only when it is chosen', async () => {
  const fathom = await deployment();
  const before = await fathom.start();
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'old');
  const listed = async () => {
    const { stdout } = await fathomd(['apps', 'list', '--json', '--socket', fathom.socketPath]);
    const { applications } = JSON.parse(stdout) as { applications: { name: string }[] };
    return applications.find(({ name }) => name === 'work-items');
  };
  expect(await listed()).toMatchObject({ built_in: true, chosen: false, migrations: COUNT });
  const { stdout } = await fathomd(['apps', 'check', 'work-items', '--json', '--socket', fathom.socketPath]);
  expect(JSON.parse(stdout)).toEqual([{ name: 'work-items', problem: null, warnings: [] }]);
  expect(await hasCollectionIn(fathom, tenant.name, 'pm_work_items')).toBe(false);
  expect(await readdir(join(fathom.dataDir, 'assembled')).catch(() => [])).toEqual([]);

  // A new database has it. One with data gets it by a command, and its owner is a member.
  await before.stop();
  await fathom.start(WITH_WORK_ITEMS);
  expect(await listed()).toMatchObject({ chosen: true });
  await untilRunning(fathom, tenant.name);
  await fathom.client.applications.add('work-items', { databases: [tenant.name], watch_s: 1 });
  expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1 });
  await untilInstance(
    fathom,
    tenant.name,
    ({ phase, reason }) => phase === 'running' && reason === null,
    'to run',
  );
  const added = await signUp(fathom);
  await untilRunning(fathom, added.name);
  for (const { name, userId } of [tenant, added]) {
    expect(await hasCollectionIn(fathom, name, 'pm_work_items')).toBe(true);
    const members = readUserDatabase(fathom, name, (database) =>
      database.prepare('SELECT id, email, role, is_active FROM pm_members').all(),
    );
    expect(members.map((row) => ({ ...row }))).toEqual([
      { id: userId, email: '', role: 'owner', is_active: 1 },
    ]);
  }
});

it('goes back and is applied again over a database with data', async () => {
  const directory = await scratch();
  const [migrations, data] = [join(directory, 'migrations'), join(directory, 'pb_data')];
  await mkdir(migrations);
  for (const source of [
    'pb_migrations/user',
    'pb_apps/documents/migrations',
    'pb_apps/work-items/migrations',
  ])
    await cp(join(PACKAGE, source), migrations, { recursive: true });
  const { path } = await verifyBinary(await testedPocketBase());
  const flags = [
    `--dir=${data}`,
    `--migrationsDir=${migrations}`,
    `--hooksDir=${directory}/none`,
    '--dev=false',
  ];
  const migrate = (...args: string[]) => execa(path, ['migrate', ...args, ...flags], { input: 'y\n' });
  await migrate('up');
  const database = new DatabaseSync(join(data, 'data.db'));
  onTestFinished(() => database.close());
  const names = () =>
    database
      .prepare("SELECT type, name FROM sqlite_schema WHERE name LIKE '%pm\\_%' ESCAPE '\\' ORDER BY 1, 2")
      .all()
      .map(({ type, name }) => `${String(type)} ${String(name)}`);
  const complete = names();
  const [project, task, sprint] = ['project', 'task', 'sprint'].map((name) => name.padEnd(36, '-'));
  const write = () =>
    database.exec(`
      INSERT INTO documents (id, title, files) VALUES ('old', 'old', '[]') ON CONFLICT DO NOTHING;
      INSERT INTO pm_work_items (id, item_type, title, status) VALUES ('${project}', 'project', 'p', 'backlog');
      INSERT INTO pm_sprints (id, project, name, status) VALUES ('${sprint}', '${project}', 's', 'active');
      INSERT INTO pm_work_items (id, item_type, title, status, project, parent, sprint)
        VALUES ('${task}', 'task', 't', 'backlog', '${project}', '${project}', '${sprint}');
      INSERT INTO pm_activity_log (id, entity_type, entity_id, actor_kind, action) VALUES ('log', 'a', 'b', 'system', 'c');`);
  for (let round = 0; round < 2; round += 1) {
    write();
    await migrate('down', String(COUNT));
    expect(names()).toEqual([]);
    await migrate('up');
    expect(names()).toEqual(complete);
  }
  expect(database.prepare('SELECT count(*) AS n FROM documents').get()).toEqual({ n: 1 });
});
