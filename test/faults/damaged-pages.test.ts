import { afterAll, beforeAll, expect, it } from 'vitest';
import { prepareDamage } from '../helpers/damage.ts';
import { createDeployment, type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { instance, ownerOf, signUp, type Tenant, untilInstance } from '../helpers/fleet-actions.ts';
import { dataFileOf } from '../helpers/user-migrations.ts';

let fathom: Deployment;

beforeAll(async () => {
  fathom = await createDeployment({ PB_HEALTH_INTERVAL: '1' });
});

afterAll(() => fathom.dispose());

/** Overwrites the root page of a table, far behind the head of the file, under the running process. */
async function damage({ name }: Tenant, table: string): Promise<void> {
  await fathom.client.databases.stop(name);
  const overwrite = prepareDamage(dataFileOf(fathom, name), table);
  await fathom.client.databases.start(name);
  await overwrite();
}

const untilFound = (name: string) =>
  untilInstance(
    fathom,
    name,
    ({ phase, reason }) => phase === 'running' && reason?.code === 'database_corrupt',
    'to be found damaged inside',
  );

it('pages that are damaged are found when PocketBase stumbles over them: it goes on with the rest, and says so', async () => {
  const daemon = await fathom.start();
  const [tenant, sound] = [await signUp(fathom), await signUp(fathom)];
  await damage(tenant, 'documents');
  const { pid } = await instance(fathom, tenant.name);
  const owner = await ownerOf(fathom, tenant);
  await expect(owner.collection('documents').getFullList()).rejects.toMatchObject({ status: 400 });

  expect(await untilFound(tenant.name)).toMatchObject({ pid, restarts: 0 });
  // What is whole is served.
  expect((await owner.collection('users').getFullList()).map(({ id }) => id)).toEqual([tenant.userId]);
  expect(await instance(fathom, sound.name)).toMatchObject({ phase: 'running', reason: null });
  await daemon.stop();
});

it('and in the background, before they are read', async () => {
  const daemon = await fathom.start({ TEST_PAGE_CHECK_MS: '500' }, SCRIPTED);
  const tenant = await signUp(fathom);
  await damage(tenant, 'documents');
  await untilFound(tenant.name);
  await daemon.stop();
});
