import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { alone } from './alone.ts';

/** A process that changes the installation until it is killed. */
async function atWork(command: string, directory: string) {
  const program = `
    import { alone } from ${JSON.stringify(join(import.meta.dirname, 'alone.ts'))};
    await alone(${JSON.stringify(command)}, () => {
      console.log('at work');
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

it('refuses a second change of the installation and names the first one', async () => {
  const directory = join(await scratch(), 'lock');
  const began = Date.now();
  const first = await atWork('fathomd upgrade next.tgz', directory);
  const refused = await alone('fathomd rollback', async () => 'done', directory).catch(String);
  expect(refused).toEqual(textWith('fathomd upgrade next.tgz', `'kill ${first.pid}'`));
  const since = /\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(refused)?.[0];
  expect(Date.parse(since ?? '')).toBeGreaterThanOrEqual(began);

  first.kill('SIGTERM');
  await once(first, 'exit');
  await expect(alone('fathomd rollback', async () => 'done', directory)).resolves.toBe('done');
});

it('runs after a command that was killed, and does not name it', async () => {
  const directory = join(await scratch(), 'lock');
  const killed = await atWork('fathomd uninstall', directory);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const next = await atWork('fathomd install', directory);
  await expect(alone('fathomd install', async () => 'done', directory)).rejects.toThrow(
    expect.objectContaining({ message: textWith('fathomd install', next.pid ?? 0) }),
  );
});

it('what fails lets go of it', async () => {
  const directory = join(await scratch(), 'lock');
  const failing = alone('fathomd install', () => Promise.reject(new Error('no space')), directory);
  await expect(failing).rejects.toThrow('no space');
  await expect(alone('fathomd install', async () => 'done', directory)).resolves.toBe('done');
});
