import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PrunedBackups, VerifiedBackup } from '../../shared/api/backups.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUp, type Tenant, writeAndRead } from '../helpers/fleet-actions.ts';

let fathom: Deployment;
let tenant: Tenant;
beforeAll(async () => {
  fathom = await createDeployment({ BACKUP_KEEP: '1d' }, { ports: 1 });
  await fathom.start();
  tenant = await signUp(fathom);
});
afterAll(() => fathom.dispose());

async function backUp(): Promise<string> {
  const { stdout, stderr, exitCode } = await fathomd(['backups', 'create', tenant.name, '--json'], fathom);
  expect(exitCode, stderr).toBe(0);
  return (JSON.parse(stdout) as { id: string }[])[0]?.id ?? '';
}

async function verify(...ids: string[]): Promise<{ exitCode: number | undefined; found: VerifiedBackup[] }> {
  const { stdout, exitCode } = await fathomd(['backups', 'verify', tenant.name, ...ids, '--json'], fathom);
  return { exitCode, found: JSON.parse(stdout) as VerifiedBackup[] };
}

it('has nothing to verify or to prune before the first backup', async () => {
  expect(await verify()).toEqual({ exitCode: 0, found: [] });
  const { name } = tenant;
  expect(await fathom.client.backups.prune(name, {})).toMatchObject({ kept: [], removed: [] });
  const missing = [`keys/${name}.json`];
  expect(await verify('no-such-backup')).toMatchObject({ exitCode: 1, found: [{ missing }] });
});

it('names what is damaged, and the next backup repairs it', async () => {
  const ids = [await backUp()];
  await writeAndRead(fathom, tenant, 'a record');
  ids.unshift(await backUp());
  expect(await verify()).toMatchObject({
    exitCode: 0,
    found: ids.toReversed().map((id) => ({ id, state: 'complete' })),
  });

  const manifest = join(fathom.dataDir, 'backups', 'manifests', tenant.name, `${ids[0]}.json`);
  const { chunks } = JSON.parse(await readFile(manifest, 'utf8')) as { chunks: string[] };
  const key = `chunks/${tenant.name}/${chunks[0]?.slice(0, 2)}/${chunks[0]}`;
  const file = join(fathom.dataDir, 'backups', key);
  const content = await readFile(file);
  content[100] = (content[100] ?? 0) ^ 1;
  await writeFile(file, content);
  const newest = ids[0] ?? '';
  expect(await verify(newest)).toMatchObject({ exitCode: 1, found: [{ state: 'damaged', damaged: [key] }] });
  expect(await verify(newest)).toMatchObject({ exitCode: 1, found: [{ missing: [key], damaged: [] }] });
  await backUp();
  expect(await verify(newest)).toMatchObject({ exitCode: 0, found: [{ id: newest, state: 'complete' }] });

  const missing = [`manifests/${tenant.name}/no-such-backup.json`];
  expect(await verify('no-such-backup')).toMatchObject({ exitCode: 1, found: [{ missing }] });
});

it('keeps the backups that BACKUP_KEEP names, and others only in a trial', async () => {
  for (let count = 0; count < 2; count += 1) await backUp();
  const { total: before } = await fathom.client.backups.ofDatabase(tenant.name, {});
  const prune = async (...options: string[]) => {
    const { stdout, exitCode } = await fathomd(['backups', 'prune', '--json', ...options], fathom);
    expect(exitCode).toBe(0);
    const results = JSON.parse(stdout) as (PrunedBackups & { database: string })[];
    return results.find(({ database }) => database === tenant.name);
  };
  const trial = await prune('--dry-run');
  expect(trial?.removed.length).toBe(before - 1);
  expect((await fathom.client.backups.ofDatabase(tenant.name, {})).total).toBe(before);
  expect(await prune()).toEqual(trial);
  expect((await fathom.client.backups.ofDatabase(tenant.name, {})).items.map(({ id }) => id)).toEqual(
    trial?.kept,
  );
  expect(await verify()).toMatchObject({ exitCode: 0, found: [{ id: trial?.kept[0] }] });
});

it('prunes beside backups of the same database', async () => {
  const backups = Array.from({ length: 6 }, async (_, index) => {
    await writeAndRead(fathom, tenant, `record ${index}`);
    return backUp();
  });
  const prunings = Array.from({ length: 6 }, () => fathomd(['backups', 'prune', tenant.name], fathom));
  await Promise.all([...backups, ...prunings]);
  const { exitCode, found } = await verify();
  expect(exitCode).toBe(0);
  expect(found.length).toBeGreaterThan(0);
});
