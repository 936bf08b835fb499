import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  lchown,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { zipSync } from 'fflate';
import { expect, it, onTestFinished } from 'vitest';
import { createEnvFile } from '../../daemon/config/sources/secrets-file.ts';
import { removeTree } from '../../daemon/host/install/remove-tree.ts';
import { sha256Of } from '../../daemon/pocketbase/binary/executable-hash.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { OTHER_ACCOUNT as ACCOUNT, otherAccountProblem } from '../helpers/other-account.ts';

const problem = otherAccountProblem();
if (problem !== null) console.log(`SKIPPED test/security/root.test.ts: ${problem}`);

/** A data directory of the service account, and a directory of root beside it that the account must not change. */
async function makeHost(): Promise<{ dataDir: string; victim: string; envFile: string }> {
  const root = await mkdtemp(join(tmpdir(), 'fathom-root-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await chmod(root, 0o755);
  const [dataDir, victim, envFile] = [join(root, 'data'), join(root, 'victim'), join(root, 'fathom.env')];
  await createEnvFile(envFile, { dataDir: dirname(envFile), userDatabasesDir: dirname(envFile) });
  await mkdir(victim, { mode: 0o755 });
  await writeFile(join(victim, 'file'), 'of root');
  await mkdir(dataDir, { mode: 0o700 });
  await chown(dataDir, ACCOUNT, ACCOUNT);
  return { dataDir, victim, envFile };
}

async function giveToAccount(...paths: string[]): Promise<void> {
  for (const path of paths) await lchown(path, ACCOUNT, ACCOUNT);
}

/** A program in place of PocketBase that records the user who runs it. */
async function plantExecutable(dataDir: string): Promise<{ path: string; ranAs: () => Promise<string> }> {
  const directory = join(dataDir, 'pocketbase', '0.40.0');
  await mkdir(directory, { recursive: true });
  const [path, record] = [join(directory, 'pocketbase'), join(dataDir, 'ran-as')];
  await writeFile(path, `#!/bin/sh\nid -u >> ${record}\necho pocketbase version 0.40.0\n`);
  await chmod(path, 0o755);
  await giveToAccount(join(dataDir, 'pocketbase'), directory, path);
  return { path, ranAs: () => readFile(record, 'utf8').catch(() => '') };
}

it.skipIf(problem !== null)('does not run an executable of the service account as root', async () => {
  const { dataDir, envFile } = await makeHost();
  const { path, ranAs } = await plantExecutable(dataDir);
  const settings = ['--env-file', envFile, '--data-dir', dataDir];
  const list = await fathomd(['pocketbase', 'list', '--json', ...settings], {});
  expect(list.stdout).toContain('"0.40.0"');
  await fathomd(['doctor', ...settings], { env: { PB_BINARY_PATH: path } });
  const ids = new Set((await ranAs()).trim().split('\n'));
  expect([...ids]).toEqual([String(ACCOUNT)]);
});

it.skipIf(problem !== null)('does not keep the group of root for a directory with this group', async () => {
  const { dataDir, envFile } = await makeHost();
  const { path } = await plantExecutable(dataDir);
  const record = join(dataDir, 'groups');
  await writeFile(path, `#!/bin/sh\nid -G >> ${record}\necho pocketbase version 0.40.0\n`);
  for (const owned of [dataDir, path]) await chown(owned, ACCOUNT, 0);
  const settings = ['--env-file', envFile, '--data-dir', dataDir];
  await fathomd(['doctor', ...settings], { env: { PB_BINARY_PATH: path } });
  const groups = (await readFile(record, 'utf8')).trim().split(/\s+/);
  expect(groups).not.toContain('0');
});

it.skipIf(problem !== null)(
  'runs an executable of another owner as that owner in a data directory of root',
  async () => {
    const { dataDir, envFile } = await makeHost();
    const { path, ranAs } = await plantExecutable(dataDir);
    const own = await mkdtemp(join(tmpdir(), 'fathom-root-own-'));
    onTestFinished(() => rm(own, { recursive: true, force: true }));
    await fathomd(['doctor', '--env-file', envFile, '--data-dir', own], { env: { PB_BINARY_PATH: path } });
    expect((await ranAs()).trim()).toBe(String(ACCOUNT));
  },
);

it.skipIf(problem !== null)('does not follow a link when it changes a mode', async () => {
  const { dataDir, victim, envFile } = await makeHost();
  await symlink(victim, join(dataDir, 'logs'));
  await giveToAccount(join(dataDir, 'logs'));
  await fathomd(['doctor', '--fix', '--env-file', envFile, '--data-dir', dataDir], {});
  expect((await stat(victim)).mode & 0o777).toBe(0o755);
});

it.skipIf(problem !== null)('does not follow a link when it removes a leftover', async () => {
  const { dataDir, victim, envFile } = await makeHost();
  await mkdir(join(victim, '.staging-a'));
  await symlink(victim, join(dataDir, 'user_dbs'));
  await giveToAccount(join(dataDir, 'user_dbs'));
  await fathomd(['doctor', '--fix', '--env-file', envFile, '--data-dir', dataDir], {});
  expect(existsSync(join(victim, '.staging-a'))).toBe(true);
});

it.skipIf(problem !== null)(
  'does not change an owner through a link when it installs PocketBase',
  async () => {
    const { dataDir, victim, envFile } = await makeHost();
    const program = Buffer.from('#!/bin/sh\necho pocketbase version 0.40.0\n');
    const archive = zipSync({ pocketbase: program });
    const name = `pocketbase_0.40.0_linux_${process.arch === 'x64' ? 'amd64' : process.arch}.zip`;
    const server = createServer(({ url }, response) => {
      response.end(url?.endsWith('.zip') ? archive : `${sha256Of(archive)}  ${name}\n`);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void server.close());
    const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const settings = ['--env-file', envFile, '--data-dir', dataDir];
    const install = () => fathomd(['pocketbase', 'install', '0.40.0', '--from', from, ...settings], {});

    await symlink(victim, join(dataDir, 'pocketbase'));
    await install();
    expect((await stat(victim)).uid).toBe(0);
    await rm(join(dataDir, 'pocketbase'));
    await mkdir(join(dataDir, 'pocketbase'));
    await symlink(join(victim, 'file'), join(dataDir, 'pocketbase', '.lock'));
    await giveToAccount(join(dataDir, 'pocketbase'), join(dataDir, 'pocketbase', '.lock'));
    await install();
    expect((await stat(join(victim, 'file'))).uid).toBe(0);

    await rm(join(dataDir, 'pocketbase', '.lock'));
    expect((await install()).exitCode).toBe(0);
    const installed = await stat(join(dataDir, 'pocketbase', '0.40.0', 'pocketbase'));
    expect([installed.uid, installed.gid]).toEqual([ACCOUNT, ACCOUNT]);
  },
);

it.skipIf(problem !== null)('does not end a process of root that a pid file names', async () => {
  const { dataDir, envFile } = await makeHost();
  const args = ['-e', 'setInterval(() => {}, 1000); console.log(1)', 'daemon/main.js'];
  const other = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void other.kill('SIGKILL'));
  await once(other.stdout, 'data');
  await mkdir(join(dataDir, 'run'));
  await writeFile(join(dataDir, 'run', 'fathomd.pid'), String(other.pid));
  await giveToAccount(join(dataDir, 'run'), join(dataDir, 'run', 'fathomd.pid'));
  const stop = await fathomd(['stop', '--timeout', '2', '--env-file', envFile, '--data-dir', dataDir], {});
  expect(stop.exitCode).not.toBe(0);
  expect(other.signalCode ?? other.exitCode).toBeNull();
});

it.skipIf(problem !== null)(
  'does not start a daemon or a worker as root in a directory of the account',
  async () => {
    const { dataDir, envFile } = await makeHost();
    for (const command of ['serve', 'worker']) {
      const { exitCode } = await fathomd([command, '--env-file', envFile, '--data-dir', dataDir], {});
      expect([command, exitCode]).toEqual([command, 77]);
    }
    const { exitCode } = await fathomd(['start', '--data-dir', dataDir], {});
    expect(exitCode).toBe(77);
    expect(existsSync(join(dataDir, '.env'))).toBe(false);
  },
);

it.skipIf(problem !== null)('removes a link of the account and keeps its target', async () => {
  const { dataDir, victim } = await makeHost();
  await symlink(victim, join(dataDir, 'user_dbs'));
  await mkdir(join(dataDir, 'global', 'pb_data'), { recursive: true });
  await symlink(victim, join(dataDir, 'global', 'pb_data', 'storage'));
  await removeTree(dataDir, { first: ['user_dbs'], signal: new AbortController().signal });
  expect(existsSync(dataDir)).toBe(false);
  expect(await readFile(join(victim, 'file'), 'utf8')).toBe('of root');
});
