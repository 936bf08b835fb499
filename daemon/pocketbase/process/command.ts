import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hostAndPort } from '../../../shared/host.ts';

/** How to start one PocketBase process. */
export interface InstanceCommand {
  /** `migrate` applies migrations and exits. */
  mode?: 'serve' | 'migrate';
  name: string;
  binary: string;
  /** PocketBase's own directory (`pb_data`). */
  dataDir: string;
  /** The process itself holds a lock on this file for its lifetime. */
  lockFile: string;
  logFile: string;
  host: string;
  port: number;
  /** Null applies none: for a process that replaces one that had already applied them. */
  migrationsDir: string | null;
  /** Null runs without hooks, which saves memory and start time. */
  hooksDir: string | null;
  /** Static files; null serves none. */
  publicDir: string | null;
  /** Number of JavaScript runtimes that are kept warm; each takes about 0.3 MB. */
  hooksPool: number;
  /** Only what this process needs. Secrets are passed here and never through argv. */
  environment: Record<string, string>;
  kind: 'global' | 'user';
  /** Limit of its memory; null without one. */
  memoryBytes: number | null;
  /** The TCP ports that it may connect to; all of them without a list. */
  connectPorts?: number[] | null;
}

/** Measured: more concurrent starts do not increase the throughput, each one only takes longer. */
export const CONCURRENT_STARTS = 4;

/** The exit code of a start when another process holds the lock. */
export const LOCKED_EXIT_CODE = 200;

/** The variable with the key that PocketBase encrypts its settings with. */
export const ENCRYPTION_VARIABLE = 'PB_ENCRYPTION_KEY';

/**
 * PocketBase creates one thumbnail at a time: each takes up to 5 bytes of memory per pixel, and a small file can have many
 * pixels. By default it creates as many at the same time as there are processors, and two more.
 */
export const THUMBNAIL_LIMITS = { PB_THUMBS_MAX_WORKERS: '1' };

/** Variables that identify the fleet and the instance of a process, to find it in /proc later. */
export const FLEET_VARIABLE = 'FATHOM_FLEET';
export const INSTANCE_VARIABLE = 'FATHOM_INSTANCE';

/** The value of `FATHOM_FLEET` for a data directory. */
export async function fleetIdOf(dataDir: string): Promise<string> {
  return createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 16);
}

/** The arguments of PocketBase. All directories are explicit, because its defaults are beside its executable. */
export function instanceArguments(command: InstanceCommand): string[] {
  const directories = {
    dataDir: command.dataDir,
    migrationsDir: command.migrationsDir ?? noDirectory(command),
    hooksDir: command.hooksDir ?? noDirectory(command),
    publicDir: command.publicDir ?? noDirectory(command),
  };
  return command.mode === 'migrate' ? migrateArguments(directories) : serveArguments(command, directories);
}

/**
 * The arguments of `flock`, which locks a file and then becomes the program (`--no-fork`): the kernel releases the lock
 * exactly when the process ends.
 */
export function lockedArguments(lockFile: string, program: readonly string[]): string[] {
  return [
    '--exclusive',
    '--nonblock',
    '--no-fork',
    `--conflict-exit-code=${LOCKED_EXIT_CODE}`,
    lockFile,
    ...program,
  ];
}

interface Directories {
  dataDir: string;
  migrationsDir: string;
  hooksDir: string;
  publicDir: string;
}

function serveArguments(command: InstanceCommand, directories: Directories): string[] {
  return [
    'serve',
    `--http=${hostAndPort(command.host, command.port)}`,
    `--publicDir=${directories.publicDir}`,
    `--hooksPool=${command.hooksPool}`,
    ...commonArguments(directories),
  ];
}

/** Arguments of a PocketBase that applies migrations and exits. */
function migrateArguments(directories: Directories): string[] {
  return ['migrate', 'up', ...commonArguments(directories)];
}

function commonArguments({ dataDir, migrationsDir, hooksDir }: Directories): string[] {
  return [
    `--dir=${dataDir}`,
    `--migrationsDir=${migrationsDir}`,
    `--hooksDir=${hooksDir}`,
    `--encryptionEnv=${ENCRYPTION_VARIABLE}`,
    '--hooksWatch=false',
    '--automigrate=false',
    '--dev=false',
  ];
}

/** The name of a directory that never exists: PocketBase treats a missing directory as empty. */
export const NO_DIRECTORY = 'none';

function noDirectory(command: InstanceCommand): string {
  return `${dirname(command.dataDir)}/${NO_DIRECTORY}`;
}

/** The value of `--flag=value` in the arguments of a process; null without that flag. */
export function flagValue(argv: readonly string[], flag: string): string | null {
  const prefix = `--${flag}=`;
  return argv.find((argument) => argument.startsWith(prefix))?.slice(prefix.length) ?? null;
}

/** Variables of the daemon that every instance may see: time zone, certificates and proxies. */
const INHERITED = [
  'TZ',
  'TMPDIR',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
];

export function inheritedEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
}
