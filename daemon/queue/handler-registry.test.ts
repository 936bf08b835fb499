import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { doubtAbout, findHandler } from './handler-registry.ts';

it('a handler that everybody may change is not run, wherever a link leads to it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-tasks-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, 'report.weekly.mjs');
  await writeFile(file, '', { mode: 0o644 });
  await symlink(file, join(directory, 'linked.mjs'));
  const find = (type: string) => findHandler(type, directory)?.database;
  expect([find('report.weekly'), find('linked'), find('other')]).toEqual(['if_any', 'if_any', undefined]);

  await chmod(file, 0o666);
  expect(() => find('report.weekly')).toThrow(`'chmod o-w ${file}'`);
  expect(doubtAbout('report.weekly', directory)).toContain(`'chmod o-w ${file}'`);
  expect(() => find('linked')).toThrow('everybody on this host may change');
  await chmod(file, 0o664);
  await chmod(directory, 0o1777);
  expect(() => find('report.weekly')).toThrow(`'chmod o-w ${directory}'`);
  expect(findHandler('http.request', directory)?.database).toBe('unused');
});
