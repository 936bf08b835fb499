import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { lockDataDir } from './data-dir-lock.ts';

async function dataDirectory(): Promise<string> {
  const directory = await scratch();
  await mkdir(join(directory, 'run'));
  return directory;
}

it('refuses a second daemon with the pid of the first, until the first releases the lock', async () => {
  const directory = await dataDirectory();
  const { release } = lockDataDir(directory);
  expect(() => lockDataDir(directory)).toThrow(
    expect.objectContaining({ code: 'data_dir.locked', message: textWith(process.pid, directory) }),
  );
  const pidFile = join(directory, 'run', 'fathomd.pid');
  expect(existsSync(pidFile)).toBe(true);
  release();
  expect(existsSync(pidFile)).toBe(false);
  lockDataDir(directory).release();
});

it('refuses a second daemon also after the run directory was emptied', async () => {
  const directory = await dataDirectory();
  const { restorePidFile, release } = lockDataDir(directory);
  await rm(join(directory, 'run'), { recursive: true });
  await mkdir(join(directory, 'run'));
  expect(() => lockDataDir(directory)).toThrow(expect.objectContaining({ code: 'data_dir.locked' }));
  restorePidFile();
  expect(() => lockDataDir(directory)).toThrow(`${process.pid}`);
  release();
  lockDataDir(directory).release();
});

it('a lock survives garbage collection and ends with a killed daemon', async () => {
  const directory = await dataDirectory();
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
  expect(() => lockDataDir(directory)).toThrow(`${holder.pid}`);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  lockDataDir(directory).release();
});

it('cannot lock a directory that does not exist', () => {
  expect(() => lockDataDir('/no-such-directory')).toThrow(
    expect.objectContaining({ code: 'data_dir.unusable' }),
  );
});
