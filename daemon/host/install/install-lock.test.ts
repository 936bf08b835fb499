import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { withInstallLock } from './install-lock.ts';

/** Starts a process that holds the lock until it is killed. */
async function startHolder(command: string, directory: string) {
  const program = `
    import { withInstallLock } from ${JSON.stringify(join(import.meta.dirname, 'install-lock.ts'))};
    await withInstallLock(${JSON.stringify(command)}, () => {
      console.log('locked');
      // A signal handler alone does not keep Node from ending.
      process.stdin.resume();
      return new Promise((resolve) => process.once('SIGTERM', resolve)).finally(() => process.stdin.pause());
    }, ${JSON.stringify(directory)});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await once(child.stdout, 'data');
  return child;
}

it('rejects a second command and reports the running one', async () => {
  const directory = join(await scratch(), 'lock');
  const began = Date.now();
  const first = await startHolder('fathomd upgrade next.tgz', directory);
  const refused = await withInstallLock('fathomd rollback', async () => 'done', directory).catch(String);
  expect(refused).toEqual(textWith('fathomd upgrade next.tgz', `'kill ${first.pid}'`));
  const since = /\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(refused)?.[0];
  expect(Date.parse(since ?? '')).toBeGreaterThanOrEqual(began);

  first.kill('SIGTERM');
  await once(first, 'exit');
  await expect(withInstallLock('fathomd rollback', async () => 'done', directory)).resolves.toBe('done');
});

it('releases the lock of a killed command', async () => {
  const directory = join(await scratch(), 'lock');
  const killed = await startHolder('fathomd uninstall', directory);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const next = await startHolder('fathomd install', directory);
  await expect(withInstallLock('fathomd install', async () => 'done', directory)).rejects.toThrow(
    expect.objectContaining({ message: textWith('fathomd install', next.pid ?? 0) }),
  );
});

it('releases the lock when the work fails', async () => {
  const directory = join(await scratch(), 'lock');
  const failing = withInstallLock('fathomd install', () => Promise.reject(new Error('no space')), directory);
  await expect(failing).rejects.toThrow('no space');
  await expect(withInstallLock('fathomd install', async () => 'done', directory)).resolves.toBe('done');
});
