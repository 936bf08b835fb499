import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createEnvFile } from '../../daemon/config/sources/secrets-file.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { OTHER_ACCOUNT as ACCOUNT, otherAccountProblem } from '../helpers/other-account.ts';

const problem = otherAccountProblem();
if (problem !== null) console.log(`SKIPPED test/security/env-files.test.ts: ${problem}`);

const CONFIG_INVALID = 78;

/** A directory that another user owns, with an executable that leaves the file `ran`. */
async function makeDirectory(): Promise<{ cwd: string; executable: string; ran: string }> {
  const cwd = await mkdtemp(join(tmpdir(), 'fathom-env-files-'));
  onTestFinished(() => rm(cwd, { recursive: true, force: true }));
  await chmod(cwd, 0o755);
  const [executable, ran] = [join(cwd, 'pocketbase'), join(cwd, 'ran')];
  await writeFile(executable, `#!/bin/sh\ntouch ${ran}\necho pocketbase version 0.40.0\n`);
  await chmod(executable, 0o755);
  await chown(cwd, ACCOUNT, ACCOUNT);
  return { cwd, executable, ran };
}

/** A complete env file. */
async function writeEnvFile(path: string, lines: string, owner: number): Promise<void> {
  await createEnvFile(path, { dataDir: dirname(path), userDatabasesDir: dirname(path) });
  await appendFile(path, lines);
  await chown(path, owner, owner);
}

/** Counts the connections to a socket. */
async function listen(path: string): Promise<{ server: Server; connections: () => number }> {
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  onTestFinished(() => void server.close());
  return { server, connections: () => count };
}

const ADD_USER = ['users', 'add', 'a@example.com', '--password-stdin'];

it.skipIf(problem !== null).each(['.env', '.env.local', 'named.env'])(
  'does not use a file %s of another user',
  async (name) => {
    const { cwd, executable, ran } = await makeDirectory();
    const socket = join(cwd, 'other.sock');
    const { connections } = await listen(socket);
    const lines = `PB_BINARY_PATH=${executable}\nFATHOM_SOCKET=${socket}\n`;
    await writeEnvFile(join(cwd, name), lines, ACCOUNT);
    const named = name === 'named.env' ? ['--env-file', name] : [];
    for (const command of [['serve'], ['worker'], ['stop'], ['status'], ['pocketbase', 'list'], ADD_USER]) {
      const { exitCode } = await fathomd([...command, ...named], { cwd, input: 'correct-horse\n' });
      expect([command, exitCode]).toEqual([command, CONFIG_INVALID]);
    }
    const doctor = await fathomd(['doctor', '--json', ...named], { cwd });
    expect(JSON.parse(doctor.stdout)).toContainEqual(
      expect.objectContaining({
        id: 'config',
        level: 'fatal',
        summary: expect.stringContaining(join(cwd, name)),
      }),
    );
    expect(existsSync(ran)).toBe(false);
    expect(connections()).toBe(0);
  },
);

it.skipIf(problem !== null)('does not send to a daemon below a ./var of another user', async () => {
  const { cwd } = await makeDirectory();
  await mkdir(join(cwd, 'var', 'run'), { recursive: true });
  await chown(join(cwd, 'var'), ACCOUNT, ACCOUNT);
  const { connections } = await listen(join(cwd, 'var', 'run', 'fathomd.sock'));
  const { exitCode } = await fathomd(ADD_USER, { cwd, input: 'correct-horse\n' });
  expect(exitCode).toBe(CONFIG_INVALID);
  expect(connections()).toBe(0);
  await fathomd(['status', '--data-dir', 'var'], { cwd });
  expect(connections()).toBeGreaterThan(0);
});

it.skipIf(problem !== null)('reads the file of a named data directory of another user', async () => {
  const { cwd } = await makeDirectory();
  const socket = join(cwd, 'own.sock');
  const { connections } = await listen(socket);
  await writeEnvFile(join(cwd, '.env'), `FATHOM_SOCKET=${socket}\n`, ACCOUNT);
  await fathomd(['status', '--data-dir', cwd], { cwd: '/' });
  expect(connections()).toBeGreaterThan(0);
});

it('does not use a file that other users can write', async () => {
  const { cwd } = await makeDirectory();
  await writeEnvFile(join(cwd, '.env'), '', process.getuid?.() ?? 0);
  await chmod(join(cwd, '.env'), 0o666);
  expect((await fathomd(['status'], { cwd })).exitCode).toBe(CONFIG_INVALID);
});

it('does not wait for named pipes and devices in place of its files', async () => {
  const { cwd } = await makeDirectory();
  const dataDir = join(cwd, 'data');
  await mkdir(join(dataDir, 'run'), { recursive: true });
  for (const path of [join(cwd, '.env'), join(dataDir, '.env'), join(dataDir, 'run', 'fathomd.pid')])
    execFileSync('mkfifo', [path]);
  await symlink('/dev/zero', join(cwd, '.env.local'));
  expect((await fathomd(['stop', '--data-dir', dataDir], { cwd })).exitCode).toBe(0);
  for (const command of ['status', 'doctor', 'serve']) {
    const { exitCode } = await fathomd([command, '--data-dir', dataDir], { cwd });
    expect([command, exitCode]).not.toEqual([command, 0]);
  }
});
