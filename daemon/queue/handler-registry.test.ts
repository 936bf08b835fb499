import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { textWith } from '../../test/helpers/text-with.ts';
import { findHandler, predictFailure } from './handler-registry.ts';

it('rejects a handler file or directory that all users of the host can change, also behind a link', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-tasks-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, 'report.weekly.mjs');
  await writeFile(file, '', { mode: 0o644 });
  await symlink(file, join(directory, 'linked.mjs'));
  const find = (type: string) => findHandler(type, directory)?.database;
  expect([find('report.weekly'), find('linked'), find('other')]).toEqual(['if_any', 'if_any', undefined]);

  await chmod(file, 0o666);
  expect(() => find('report.weekly')).toThrow(`'chmod o-w ${file}'`);
  expect(
    predictFailure({ type: 'report.weekly' }, { tasksDir: directory, hasDatabase: () => true }),
  ).toContain(`'chmod o-w ${file}'`);
  expect(() => find('linked')).toThrow('linked.mjs');
  await chmod(file, 0o664);
  await chmod(directory, 0o1777);
  expect(() => find('report.weekly')).toThrow(`'chmod o-w ${directory}'`);
  expect(findHandler('http.request', directory)?.database).toBe('unused');
});

it.each([
  ['database.vacuum', {}, ['database.vacuum', 'user_id']],
  ['database.provision', { user_id: null }, ['database.provision', 'user_id']],
  ['database.vacuum', { user_id: 'with' }, null],
  ['database.vacuum', { user_id: 'without' }, ['without', 'database.provision']],
  ['database.provision', { user_id: 'without' }, null],
  ['http.request', { payload: {} }, ['url']],
  ['http.request', { payload: { url: 'https://a.example/' } }, null],
  ['http.request', {}, null],
  ['mail.send', { payload: { to: 'a@example.com\n' } }, ['to']],
  ['no.such', {}, ["'no.such'"]],
  ['vacuum', {}, ["'vacuum'", 'database.vacuum']],
])('%s with %o: %s', (type, task, expected) => {
  const failure = predictFailure(
    { type, ...task },
    { tasksDir: '/nowhere', hasDatabase: (id) => id === 'with' },
  );
  if (expected === null) expect(failure).toBeNull();
  else expect(failure).toEqual(textWith(...expected));
});
