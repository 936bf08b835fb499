import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { addDocument, readAsOwner } from '../helpers/documents.ts';
import { instance, signUp, untilInstance } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';

const MIB = 1024 * 1024;

it('removes files that an upload leaves whose process is killed, and keeps those of records', async () => {
  const fathom = await deployment();
  await fathom.start();
  const tenant = await signUp(fathom);
  const { name, ownerToken } = tenant;
  await fathom.client.databases.update(name, { disk_mb: 2_000 });
  await addDocument(fathom, tenant, 'kept');
  const storage = join(fathom.dataDir, 'user_dbs', name, 'pb_data', 'storage');
  const unfinished = async () =>
    (await readdir(storage, { recursive: true })).filter((path) => path.endsWith('.tmp'));

  const upload = async (url: string) => {
    const form = new FormData();
    form.set('title', 'large');
    for (let file = 0; file < 6; file += 1)
      form.append('files', new Blob([Buffer.alloc(4 * MIB, 'x')]), 'f.txt');
    await fetch(`${url}/api/collections/documents/records`, {
      method: 'POST',
      headers: { authorization: ownerToken },
      body: form,
    }).catch(() => null);
  };
  // A copy takes milliseconds, so the first kills may come too early or too late.
  await until(
    async () => {
      const { url, pid } = await untilInstance(fathom, name, ({ phase }) => phase === 'running', 'to run');
      const ended = new AbortController();
      const uploading = upload(url ?? '').finally(() => ended.abort());
      while (!ended.signal.aborted && (await unfinished()).length === 0);
      process.kill(pid ?? 0, 'SIGKILL');
      await uploading;
      await untilInstance(fathom, name, (one) => one.phase === 'running' && one.pid !== pid, 'to run again');
      return (await unfinished()).length > 0;
    },
    { what: 'an unfinished upload' },
  );
  await until(async () => (await unfinished()).length === 0, { what: 'the removal of unfinished uploads' });
  expect(await readAsOwner(fathom, tenant)).toContainEqual(['kept', 'file of kept']);
  expect(await instance(fathom, name)).toMatchObject({ phase: 'running' });
});
