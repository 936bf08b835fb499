import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../test/helpers/scratch.ts';
import { lockDataDir } from './data-dir-lock.ts';

it('one daemon has a data directory; the next one is told who, until the first lets go', async () => {
  const directory = await scratch();
  const release = lockDataDir(directory);
  expect(() => lockDataDir(directory)).toThrow(
    `another fathomd (pid ${process.pid}) uses this data directory`,
  );
  expect(existsSync(join(directory, 'fathomd.pid'))).toBe(true);
  release();
  expect(existsSync(join(directory, 'fathomd.pid'))).toBe(false);
  lockDataDir(directory)();
});

it('a lock is held without anybody holding on to it, and is gone with a daemon that was killed', async () => {
  const directory = await scratch();
  const program = `
    import { lockDataDir } from ${JSON.stringify(join(import.meta.dirname, 'data-dir-lock.ts'))};
    lockDataDir(${JSON.stringify(directory)});
    gc();
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => {
    holder.kill('SIGKILL');
  });
  await once(holder.stdout, 'data');
  expect(() => lockDataDir(directory)).toThrow(`(pid ${holder.pid})`);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  lockDataDir(directory)();
});

it('a directory that is not there cannot be locked', () => {
  expect(() => lockDataDir('/nowhere/at/all')).toThrow(/cannot be written/);
});
