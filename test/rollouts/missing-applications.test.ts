import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { putFiles } from '../helpers/applications.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { destroyHost } from '../helpers/destroyed-host.ts';
import { addDocument } from '../helpers/documents.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, signUp, untilInstance, untilRunning } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { textWith } from '../helpers/text-with.ts';
import { untilEnded } from './stage.ts';

const SHOP = {
  'shop/migrations/1800000000_orders.js':
    "migrate((app) => app.save(new Collection({ type: 'base', name: 'orders', createRule: '', fields: [{ name: 'text', type: 'text' }] })));",
  'shop/hooks/main.pb.js': "onRecordCreateRequest(() => { throw new ForbiddenError('closed'); }, 'orders');",
};
const FRONT = { 'front/public/index.html': 'a page' };
const FAST = { RESTART_BACKOFF_MAX_S: '1' };

const appsOf = ({ dataDir }: Deployment) => join(dataDir, 'apps');

/** The status of a request that only the hook of the shop refuses. */
async function order(fathom: Deployment, name: string): Promise<number> {
  const { url } = await untilRunning(fathom, name);
  const response = await fetch(`${url}/api/collections/orders/records`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: '{"text":"an order"}',
  });
  await response.text();
  return response.status;
}

/** Destroys the host, restores it from a copy of its backups, without its applications, and starts it. */
async function restoreElsewhere(fathom: Deployment, daemon: Daemon): Promise<{ report: string }> {
  const { restoreCommand } = await destroyHost(fathom, daemon);
  const { exitCode, stdout } = await fathomd(restoreCommand);
  expect(exitCode).toBe(0);
  await fathom.start();
  return { report: stdout };
}

const untilMissing = (fathom: Deployment, name: string, ...texts: string[]) =>
  untilInstance(
    fathom,
    name,
    ({ phase, reason }) =>
      phase === 'backing_off' &&
      reason?.code === 'app_missing' &&
      texts.every((text) => reason.message.includes(text)),
    `to miss an application: ${texts.join(', ')}`,
  );

describe('on an empty host, a database with the hooks of an application', () => {
  it('does not start without it, and starts by itself when it is there', async () => {
    const fathom = await deployment(FAST);
    await putFiles(appsOf(fathom), { ...SHOP, ...FRONT });
    const daemon = await fathom.start();
    const { name } = await signUp(fathom);
    expect(await order(fathom, name)).toBe(403);
    const { report } = await restoreElsewhere(fathom, daemon);
    expect(report).toEqual(textWith('next: put the application shop into', appsOf(fathom)));
    expect(report).not.toContain('application front');

    const missing = await untilMissing(fathom, name, 'the hooks of shop', appsOf(fathom), 'apps remove shop');
    const answer = await fetch(`http://127.0.0.1:${missing.port}/api/health`);
    expect([answer.status, await answer.json()]).toMatchObject([
      503,
      { data: { database: { code: 'app_missing' } } },
    ]);
    // Neither an application beside it, an empty directory, nor one that cannot be read is enough.
    await putFiles(appsOf(fathom), FRONT);
    await mkdir(join(appsOf(fathom), 'shop'));
    await expect(fathom.client.databases.start(name)).rejects.toMatchObject({ code: 'instance.failed' });
    await untilMissing(fathom, name, 'there is no application shop');
    await putFiles(appsOf(fathom), { ...SHOP, 'shop/app.json': '{' });
    await expect(fathom.client.databases.start(name)).rejects.toMatchObject({ code: 'instance.failed' });
    await untilMissing(fathom, name, 'app.json');
    await rm(join(appsOf(fathom), 'shop', 'app.json'));
    expect(await order(fathom, name)).toBe(403);
    expect(await instance(fathom, name)).toMatchObject({ phase: 'running', reason: null });
  });

  it('does not start without its hooks, and runs without the application when it is removed', async () => {
    const fathom = await deployment({ ...FAST, FATHOM_APPS: 'documents,shop' });
    await putFiles(appsOf(fathom), SHOP);
    const daemon = await fathom.start();
    const [first, second] = [await signUp(fathom), await signUp(fathom)];
    expect(await order(fathom, first.name)).toBe(403);
    const { report } = await restoreElsewhere(fathom, daemon);
    expect(report).toContain('next: put the application shop into');
    for (const { name } of [first, second]) await untilMissing(fathom, name, 'there is no application shop');
    await putFiles(appsOf(fathom), { 'shop/public/index.html': 'no hooks' });
    await fathom.client.databases.start(first.name).catch(() => null);
    await untilMissing(fathom, first.name, 'there are none in');

    await rm(appsOf(fathom), { recursive: true });
    await fathom.client.applications.remove('shop', { databases: [first.name], watch_s: 1 });
    expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1, problems: [] });
    expect(await order(fathom, first.name)).toBe(200);
    expect(await instance(fathom, first.name)).toMatchObject({ applications: ['documents'], reason: null });
    await untilMissing(fathom, second.name);
  });
});

it('does not start on an empty host when its hooks or migrations do not work with its data', async () => {
  const fathom = await deployment({ ...FAST, FATHOM_APPS: 'documents,shop' });
  await putFiles(appsOf(fathom), SHOP);
  const daemon = await fathom.start();
  const tenant = await signUp(fathom);
  const { name } = tenant;
  await addDocument(fathom, tenant, 'odd');
  await restoreElsewhere(fathom, daemon);
  const isOdd = "app.countRecords('documents', $dbx.hashExp({ title: 'odd' })) > 0";
  const attempt = async (files: Record<string, string>) => {
    await putFiles(appsOf(fathom), { ...SHOP, ...files });
    await fathom.client.databases.start(name).catch(() => null);
    return instance(fathom, name);
  };
  const hook = `onBootstrap((e) => { e.next(); const app = e.app; if (${isOdd}) throw new Error('bad data'); });`;
  expect(await attempt({ 'shop/hooks/more.pb.js': hook })).toMatchObject({
    pid: null,
    reason: { code: 'hook_broken', message: textWith('without the hooks of shop', 'bad data') },
  });
  const migration = `migrate((app) => { if (${isOdd}) throw new Error('bad row'); });`;
  expect(
    await attempt({ 'shop/hooks/more.pb.js': '', 'shop/migrations/1800000001_bad.js': migration }),
  ).toMatchObject({
    pid: null,
    reason: { code: 'migration_failed', message: textWith('without the hooks of shop', 'bad row') },
  });
  expect(await attempt({ 'shop/migrations/1800000001_bad.js': 'migrate(() => {});' })).toMatchObject({
    phase: 'running',
    reason: null,
  });
  expect(await order(fathom, name)).toBe(403);
});

describe('where it has run, a database', () => {
  it('keeps the hooks of an application whose files are gone, until it is removed', async () => {
    const fathom = await deployment(FAST);
    await putFiles(appsOf(fathom), SHOP);
    const daemon = await fathom.start();
    const [first, second] = [await signUp(fathom), await signUp(fathom)];
    for (const { name } of [first, second]) expect(await order(fathom, name)).toBe(403);
    await rm(join(appsOf(fathom), 'shop'), { recursive: true });
    expect(await fathom.client.databases.restart(first.name)).toMatchObject({
      phase: 'running',
      reason: { code: 'app_missing', message: textWith('keeps the hooks', 'shop') },
    });
    await daemon.stop();
    await fathom.start();
    for (const { name } of [first, second]) expect(await order(fathom, name)).toBe(403);

    await fathom.client.applications.remove('shop', { databases: [first.name], watch_s: 1 });
    expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1, problems: [] });
    expect(await order(fathom, first.name)).toBe(200);
    await putFiles(appsOf(fathom), SHOP);
    expect(await fathom.client.databases.restart(second.name)).toMatchObject({ reason: null });
    expect([await order(fathom, first.name), await order(fathom, second.name)]).toEqual([200, 403]);
  });

  it('gets its hooks again when they were deleted', async () => {
    const fathom = await deployment(FAST);
    await putFiles(appsOf(fathom), SHOP);
    await fathom.start();
    const { name } = await signUp(fathom);
    expect(await order(fathom, name)).toBe(403);
    await rm(join(fathom.dataDir, 'assembled'), { recursive: true });
    const { pid } = await instance(fathom, name);
    process.kill(pid ?? 0, 'SIGKILL');
    await untilInstance(fathom, name, (one) => one.phase === 'running' && one.pid !== pid, 'to run again');
    expect(await order(fathom, name)).toBe(403);
  });
});
