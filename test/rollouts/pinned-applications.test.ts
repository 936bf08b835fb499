import { join } from 'node:path';
import { expect, it } from 'vitest';
import { putFiles } from '../helpers/applications.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { destroyHost } from '../helpers/destroyed-host.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, signUp, untilInstance, untilRunning } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { installVersion } from '../helpers/installed-versions.ts';
import { upstreamBuild } from '../helpers/upstream-builds.ts';
import { untilEnded } from './stage.ts';

const VERSION = '0.40.6';
const build = await upstreamBuild(VERSION, 'applications of pinned databases');
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

    const { restoreCommand } = await destroyHost(fathom, before);
    const restored = await fathomd(restoreCommand);
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
