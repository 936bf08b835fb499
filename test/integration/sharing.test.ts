import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { expect, it } from 'vitest';
import { PASSWORD, signUp } from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { putMigration } from '../helpers/user-migrations.ts';

// The example of docs/sharing.md, with its migration.

const shared = sharedDeployment();

function migrationOfPage(): string {
  const page = readFileSync(join(import.meta.dirname, '../../docs/sharing.md'), 'utf8');
  const code = /```js\n([^]*?)```/.exec(page)?.[1];
  if (code === undefined) throw new Error('docs/sharing.md has no migration');
  return code;
}

it('lets members whom the owner adds share notes, and no other user', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom, 'group');
  const stranger = await signUp(fathom, 'elsewhere');
  await putMigration(fathom, '1800000000_team.js', migrationOfPage(), 'team');
  const { url } = await fathom.client.databases.restart(tenant.name);
  if (url === null) throw new Error(`${tenant.name} has no URL`);
  const owner = new PocketBase(url);
  owner.authStore.save(tenant.ownerToken);
  const member = new PocketBase(url);
  const outsider = new PocketBase(url);
  outsider.authStore.save(stranger.ownerToken);
  const account = { email: 'member@example.com', password: PASSWORD, passwordConfirm: PASSWORD };

  await expect(outsider.collection('members').create(account)).rejects.toMatchObject({ status: 400 });
  await owner.collection('members').create(account);
  await member.collection('members').authWithPassword(account.email, PASSWORD);
  await expect(
    member.collection('members').create({ ...account, email: 'third@example.com' }),
  ).rejects.toMatchObject({ status: 400 });

  const note = await member.collection('notes').create({ text: 'from the member' });
  await owner.collection('documents').create({ title: 'of the owner' });
  expect(await owner.collection('notes').getFullList()).toMatchObject([{ text: 'from the member' }]);
  expect(await member.collection('documents').getFullList()).toEqual([]);
  expect(await outsider.collection('notes').getFullList()).toEqual([]);
  await expect(member.collection('notes').delete(note.id)).rejects.toMatchObject({ status: 404 });

  // Locking out the owner does not lock out the members.
  await fathom.client.users.update(tenant.userId, { is_active: false });
  expect(await member.collection('notes').getFullList()).toHaveLength(1);
});
