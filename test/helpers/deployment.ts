import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { createClient, type FathomClient } from '../../shared/client/fathom-client.ts';
import { BASE_ENVIRONMENT, FATHOMD } from './fathomd.ts';
import { freePortRange } from './free-ports.ts';
import { assertNothingLeft } from './leaks.ts';
import { copyPrepared } from './prepared-data.ts';
import { testedPocketBase } from './tested-pocketbase.ts';
import { until } from './until.ts';

export const SERVE: readonly [string, ...string[]] = [FATHOMD, 'serve'];
export const SERVE_DEMO: readonly [string, ...string[]] = [FATHOMD, 'serve', '--demo'];
/** The daemon as `test/fixtures/scripted-daemon.ts` composes it. */
export const SCRIPTED: readonly [string, ...string[]] = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  join(import.meta.dirname, '..', 'fixtures', 'scripted-daemon.ts'),
];

export interface Deployment {
  dataDir: string;
  /** For files that task handlers write. It exists before the daemon starts. */
  filesDir: string;
  env: Record<string, string>;
  url: string;
  globalUrl: string;
  socketPath: string;
  admin: { email: string; password: string };
  /** The administrator's client, over the local socket. */
  client: FathomClient;
  /** Starts `fathomd serve`, or another command, on this deployment and waits until it is ready. */
  start(extra?: Record<string, string>, command?: readonly [string, ...string[]]): Promise<Daemon>;
  /** The same, without waiting: for starts that fail. */
  launch(extra?: Record<string, string>, command?: readonly [string, ...string[]]): Daemon;
  /** Stops every daemon, fails if an instance still runs, and removes the directory. */
  dispose(): Promise<void>;
}

export interface Daemon {
  readonly pid: number;
  /** Everything it printed so far. */
  output(): string;
  /** Resolves with the exit code, or null after a signal. */
  exited: Promise<number | null>;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<number | null>;
}

export interface DeploymentOptions {
  ports?: number;
  /** Begins with an empty data directory, not with one in which the migrations have been applied. */
  empty?: boolean;
  /** A part of the name of the data directory. */
  label?: string;
}

/** A data directory, ports and secrets of its own; nothing runs yet. */
export async function createDeployment(
  env: Record<string, string> = {},
  options: DeploymentOptions = {},
): Promise<Deployment> {
  const range = options.ports ?? 60;
  const dataDir = await mkdtemp(join(tmpdir(), `fathom-test-${options.label ?? ''}`));
  const filesDir = await mkdtemp(join(tmpdir(), 'fathom-files-'));
  if (options.empty !== true) await copyPrepared(dataDir);
  const base = await freePortRange(range + 2);
  const binary = await testedPocketBase();
  const admin = { email: 'admin@fathom.test', password: randomBytes(12).toString('hex') };
  const settings: Record<string, string> = {
    ...BASE_ENVIRONMENT,
    FATHOM_DATA_DIR: dataDir,
    AES_MASTER_KEY: randomBytes(32).toString('base64'),
    JWT_SECRET: randomBytes(64).toString('base64'),
    PB_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    PB_ADMIN_EMAIL: admin.email,
    PB_ADMIN_PASSWORD: admin.password,
    SERVER_PORT: String(base),
    PB_GLOBAL_PORT: String(base + 1),
    PB_BASE_PORT: String(base + 2),
    PB_PORT_RANGE: String(range),
    // All tests sign up from one address.
    SIGN_UPS_PER_ADDRESS: '10000',
    SIGN_UPS_PER_ADDRESS_PER_DAY: '10000',
    SIGN_UPS_PER_NETWORK: '10000',
    SIGN_UPS_PER_HOUR: '10000',
    SIGN_UPS_PER_DAY: '10000',
    DISK_RESERVE_MB: '0',
    // Otherwise, tests that run between 2 and 3 o'clock have backups.
    BACKUP_SCHEDULE: 'off',
    DATABASE_TRASH_DAYS: '0',
    ...(binary === null ? {} : { PB_BINARY_PATH: binary }),
    ...env,
  };
  const socketPath = settings['FATHOM_SOCKET'] ?? join(dataDir, 'run', 'fathomd.sock');
  const daemons: Daemon[] = [];

  const launch = (extra: Record<string, string> = {}, command = SERVE): Daemon => {
    const daemon = spawnDaemon(command, { ...settings, ...extra }, dataDir);
    daemons.push(daemon);
    return daemon;
  };

  return {
    dataDir,
    filesDir,
    dispose: async () => {
      try {
        for (const daemon of daemons) await daemon.stop();
        await assertNothingLeft(dataDir);
      } finally {
        for (const directory of [dataDir, filesDir]) await rm(directory, { recursive: true, force: true });
      }
    },
    env: settings,
    url: `http://127.0.0.1:${settings['SERVER_PORT']}`,
    globalUrl: `http://127.0.0.1:${settings['PB_GLOBAL_PORT']}`,
    socketPath,
    admin,
    client: createClient({ target: { socketPath } }),
    launch,
    start: async (extra, command) => {
      const daemon = launch(extra, command);
      let gone = false;
      void daemon.exited.finally(() => {
        gone = true;
      });
      await until(
        async () => {
          if (gone) throw new Error(`fathomd ended during its start:\n${daemon.output()}`);
          return isReady(socketPath);
        },
        { what: () => `fathomd to be ready:\n${daemon.output()}` },
      );
      return daemon;
    },
  };
}

function spawnDaemon(
  [program, ...args]: readonly [string, ...string[]],
  env: Record<string, string>,
  cwd: string,
): Daemon {
  const child = execa(program, args, {
    cwd,
    env,
    extendEnv: false,
    all: true,
    reject: false,
    stdin: 'ignore',
  });
  let output = '';
  child.all.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error('fathomd could not be started; build first (npm run build)');
  let gone = false;
  const exited = (async () => {
    const { exitCode } = await child;
    gone = true;
    return exitCode ?? null;
  })();
  return {
    pid,
    output: () => output,
    exited,
    signal: (signal) => {
      if (!gone) process.kill(pid, signal);
    },
    stop: async () => {
      if (!gone) process.kill(pid, 'SIGTERM');
      return exited;
    },
  };
}

function isReady(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path: '/health/ready' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.once('error', () => resolve(false));
    call.end();
  });
}
