import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { putFiles } from '../helpers/applications.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, signUp, untilInstance, untilRunning } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { installVersion } from '../helpers/installed-versions.ts';
import { scratch } from '../helpers/scratch.ts';
import { upstreamBuild } from '../helpers/upstream-builds.ts';
import { untilEnded } from './stage.ts';

const VERSION = '0.40.6';
const build = await upstreamBuild(VERSION, 'applications of pinned databases');
const SECRETS = ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ENCRYPTION_KEY', 'PB_ADMIN_PASSWORD'];
const SHOP = {
  'shop/migrations/1800000000_orders.js':
    "migrate((app) => app.save(new Collection({ type: 'base', name: 'orders', fields: [{ name: 'text', type: 'text' }] })));",
  'shop/hooks/main.pb.js': "routerAdd('GET', '/hello', (e) => e.string(200, 'hello'));",
};

async function greeting(fathom: Deployment, name: string): Promise<string> {
  const { url } = await untilRunning(fathom, name);
  const response = await fetch(`${url}/hello`, { headers: { connection: 'close' } });
  if (response.status !== 200) return String(response.status);
  return response.text();
}

it.runIf(build !== null)(
  'adds an application to a pinned database, and restores both onto an empty host',
  async () => {
    const fathom = await deployment({ FATHOM_APPS: 'documents' });
    const before = await fathom.start();
    await installVersion(fathom, VERSION, build ?? '');
    const [pinned, other] = [await signUp(fathom), await signUp(fathom)];
    await putFiles(join(fathom.dataDir, 'apps'), SHOP);
    await fathom.client.databases.pin(pinned.name, { version: VERSION });
    await fathom.client.applications.add('shop', { databases: [pinned.name], watch_s: 1 });
    expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1, problems: [] });
    expect(await greeting(fathom, pinned.name)).toBe('hello');
    expect(await greeting(fathom, other.name)).toBe('404');
    expect(await instance(fathom, pinned.name)).toMatchObject({ pocketbase_version: VERSION });
    // Back to the version of all, with its application.
    await fathom.client.databases.pin(pinned.name, { version: null });
    expect(await greeting(fathom, pinned.name)).toBe('hello');
    await fathom.client.databases.pin(pinned.name, { version: VERSION });

    const outside = await scratch();
    const keyFile = join(outside, 'recovery-key.txt');
    const target = join(outside, 'target');
    const key = await fathomd(['backups', 'recovery-key', '--socket', fathom.socketPath]);
    await writeFile(keyFile, key.stdout, { mode: 0o600 });
    const created = await fathomd(['backups', 'create', '--all', '--socket', fathom.socketPath]);
    expect([created.exitCode, created.stderr]).toEqual([0, '']);
    await cp(join(fathom.dataDir, 'backups'), target, { recursive: true });
    await before.stop();
    for (const entry of await readdir(fathom.dataDir))
      await rm(join(fathom.dataDir, entry), { recursive: true });
    for (const name of SECRETS) delete fathom.env[name];
    const restored = await fathomd([
      'restore',
      '--from',
      target,
      '--recovery-key',
      keyFile,
      '--data-dir',
      fathom.dataDir,
    ]);
    expect(restored).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`fathomd pocketbase install ${VERSION}`) as string,
    });
    await fathom.start();
    expect(
      await untilInstance(fathom, pinned.name, ({ reason }) => reason !== null, 'to say why it does not run'),
    ).toMatchObject({ reason: { code: 'binary_missing' }, applications: ['documents', 'shop'] });
    expect(await greeting(fathom, other.name)).toBe('404');
    await putFiles(join(fathom.dataDir, 'apps'), SHOP);
    await installVersion(fathom, VERSION, build ?? '');
    await fathom.client.databases.restart(pinned.name);
    expect(await greeting(fathom, pinned.name)).toBe('hello');
    expect(await instance(fathom, pinned.name)).toMatchObject({ pocketbase_version: VERSION });
  },
);
