import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { execa } from 'execa';
import { freePortRange } from './free-ports.ts';
import { until } from './until.ts';

const SSHD = '/usr/sbin/sshd';
/** Compiled into Debian's package, which creates it when the service starts. */
const PRIVILEGE_SEPARATION_DIR = '/run/sshd';

export const isSshdInstalled = existsSync(SSHD);

export interface SftpServer extends AsyncDisposable {
  port: number;
  user: string;
  /** Contains nothing at first. */
  directory: string;
  /** Paths of a private key that signs in, and of one that does not. */
  key: string;
  strangeKey: string;
  knownHosts: string;
  /** Begins the server again, with another host key. */
  changeHostKey(): Promise<void>;
  /** Ends all connections, and the server with them. */
  stop(): Promise<void>;
  /** Ends all connections. The server accepts others. */
  cutConnections(): Promise<void>;
  start(): Promise<void>;
  /** Lets processes of the server, and of its connections, wait. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): Promise<void>;
}

/** A real sshd on a free port, for the user of this process. */
export async function startSftpServer(): Promise<SftpServer> {
  const root = await mkdtemp(join(tmpdir(), 'fathom-sftp-'));
  if (getuid?.() === 0) await mkdir(PRIVILEGE_SEPARATION_DIR, { recursive: true, mode: 0o755 });
  const [port, user] = [await freePortRange(1), userInfo().username];
  const [key, strangeKey, hostKey, authorizedKeys, knownHosts, config, directory] = [
    'key',
    'strange-key',
    'host-key',
    'authorized-keys',
    'known-hosts',
    'config',
    'files',
  ].map((name) => join(root, name)) as [string, string, string, string, string, string, string];
  await mkdir(directory);
  for (const path of [key, strangeKey, hostKey]) await createKey(path);
  await writeFile(authorizedKeys, await readFile(`${key}.pub`));
  const addHostKey = async () => {
    const [type, text] = (await readFile(`${hostKey}.pub`, 'utf8')).split(' ');
    await appendFile(knownHosts, `[127.0.0.1]:${port} ${type} ${text}\n`);
  };
  await addHostKey();
  const settings = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${authorizedKeys}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PidFile none',
    'MaxStartups 100',
    'Subsystem sftp internal-sftp',
  ];
  await writeFile(config, `${settings.join('\n')}\n`);

  let server: ChildProcess;
  const start = async () => {
    // The leader of a process group: `stop` also ends the processes of connections.
    server = spawn(SSHD, ['-D', '-e', '-f', config], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    server.stderr?.on('data', (data: Buffer) => {
      output += String(data);
    });
    await until(() => output.includes('Server listening'), { what: () => `sshd: ${output}` });
  };
  const processes = async () => {
    const { stdout } = await execa('ps', ['-e', '-o', 'pid=,ppid=']);
    const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
    const found = [server.pid ?? 0];
    for (const parent of found)
      found.push(...rows.flatMap(([pid = 0, ppid]) => (ppid === parent ? [pid] : [])));
    return found;
  };
  const signalAll = async (signal: NodeJS.Signals) => {
    for (const pid of await processes()) process.kill(pid, signal);
  };
  const stop = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exit = once(server, 'exit');
    await signalAll('SIGKILL');
    await exit;
  };
  await start();
  return {
    port,
    user,
    directory,
    key,
    strangeKey,
    knownHosts,
    changeHostKey: async () => {
      await stop();
      for (const path of [hostKey, `${hostKey}.pub`]) await rm(path);
      await createKey(hostKey);
      await start();
    },
    stop,
    start,
    cutConnections: async () => {
      for (const pid of (await processes()).slice(1)) process.kill(pid, 'SIGKILL');
    },
    signal: signalAll,
    [Symbol.asyncDispose]: async () => {
      await stop();
      await rm(root, { recursive: true });
    },
  };
}

async function createKey(path: string): Promise<void> {
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
}
