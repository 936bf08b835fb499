import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { expect, it } from 'vitest';
import { hookEntry } from '../../daemon/supervisor/hook-entry.ts';
import { addHook, prepareHooks } from '../../daemon/supervisor/instance-hooks.ts';
import { putFiles } from '../helpers/applications.ts';
import { type BareInstance, bareInstance } from '../helpers/bare-instance.ts';

/*
 * Hooks of an application that try to change what Fathom itself loads into the process, or to read its files.
 */

const SCHEMA = `migrate((app) => {
  app.save(new Collection({ type: 'base', name: 'notes', listRule: '', createRule: '', fields: [] }));
});`;

/** A guarded instance with these hooks of an application. @returns the text of `/attack` */
async function attack(hooks: Record<string, string>): Promise<{ instance: BareInstance; body: string }> {
  const instance = await bareInstance('full');
  const { directory } = instance;
  await writeFile(join(directory, 'secret'), 'AES_MASTER_KEY');
  await writeFile(join(directory, 'migrations', '1_notes.js'), SCHEMA);
  const assembled = join(directory, 'assembled', 'abc', 'hooks');
  await mkdir(assembled, { recursive: true });
  await putFiles(assembled, { ...hooks, '_fathom.pb.js': hookEntry(Object.keys(hooks)) });
  const spec = { directory, hooksDir: assembled };
  await addHook(spec, 'limit-uploads', { max_bytes: 1 });
  await addHook(spec, 'refuse-writes', { code: 'over_disk', message: '' });
  await instance.start({ hooksDir: await prepareHooks(spec) });
  await instance.untilReady();
  const { host, port } = instance.command;
  const url = `http://${host}:${port}`;
  const response = await fetch(`${url}/attack`);
  return { instance, body: await response.text() };
}

async function expectGuarded({ command: { host, port } }: BareInstance): Promise<void> {
  const client = new PocketBase(`http://${host}:${port}`);
  await expect(client.collection('notes').create({})).rejects.toMatchObject({ status: 507 });
}

const tries = (statements: string[]): string => `routerAdd('GET', '/attack', (e) => {
  const results = [];
  for (const [name, run] of [${statements.map((one) => `[${JSON.stringify(one)}, () => ${one}]`).join(',')}]) {
    try { run(); results.push('worked: ' + name); } catch (error) { results.push('refused'); }
  }
  return e.json(200, results);
});`;

it('cannot write, replace or remove the files that are loaded', async () => {
  const statements = [
    '$os.writeFile(`${__hooks}/_fathom.pb.js`, "", 0o644)',
    '$os.writeFile(`${__hooks}/_fathom/refuse-writes.json`, "{}", 0o644)',
    '$os.writeFile(`${__hooks}/more.pb.js`, "", 0o644)',
    '$os.remove(`${__hooks}/_fathom.pb.js`)',
    '$os.rename(`${__hooks}/_fathom`, `${__hooks}/gone`)',
  ];
  const { instance, body } = await attack({ '_apps/shop/main.pb.js': tries(statements) });
  expect(JSON.parse(body)).toEqual(statements.map(() => 'refused'));
  await expectGuarded(instance);
});

it('cannot read files of Fathom, or run programs', async () => {
  const statements = [
    '$os.readFile(`${__hooks}/../../secret`)',
    '$os.readFile(`${__hooks}/../refuse-writes.json`)',
    '$os.readFile("/etc/passwd")',
    '$os.readDir(`${__hooks}/../..`)',
    '$os.cmd("/bin/sh", "-c", "true").run()',
  ];
  const { body } = await attack({ '_apps/shop/main.pb.js': tries(statements) });
  expect(JSON.parse(body)).toEqual(statements.map(() => 'refused'));
});

it('cannot keep the hooks of Fathom from being loaded, as these come first', async () => {
  const { instance } = await attack({
    '_apps/a/first.pb.js': 'onRecordCreateRequest = () => {}; require = () => ({}); JSON.parse = () => ({});',
    '_apps/a/second.pb.js': 'ApiError = null; onRecordCreateRequest((e) => e.next());',
  });
  await expectGuarded(instance);
});

it('cannot change the modules of Fathom in a runtime', async () => {
  const { body } = await attack({
    '_apps/shop/main.pb.js': `routerAdd('GET', '/attack', (e) => {
      const limits = require(\`\${__hooks}/_fathom/upload-limits.js\`);
      try { limits.admit = 'replaced'; } catch {}
      return e.string(200, typeof limits.admit);
    });`,
  });
  expect(body).toBe('function');
});
