import { dirname } from 'node:path';
import { hostAndPort } from '../../../shared/host.ts';

/** What one PocketBase process needs to be started. */
export interface InstanceCommand {
  /** `migrate` applies migrations and ends. */
  mode?: 'serve' | 'migrate';
  name: string;
  binary: string;
  /** PocketBase's own directory (`pb_data`). */
  dataDir: string;
  /** Held locked by the process itself as long as it lives. */
  lockFile: string;
  logFile: string;
  host: string;
  port: number;
  /** Null applies none: right for a process that takes the place of one that had applied them. */
  migrationsDir: string | null;
  /** Null runs without hooks, which saves memory and start time. */
  hooksDir: string | null;
  /** JavaScript runtimes kept warm; about 0.3 MB each. */
  hooksPool: number;
  /** Only what this process needs; secrets come in here and never through argv. */
  environment: Record<string, string>;
}

/** The exit code of flock(1) when somebody else holds the lock. */
export const LOCKED_EXIT_CODE = 200;

/** Names the variable that holds the key with which PocketBase encrypts its settings. */
export const ENCRYPTION_VARIABLE = 'PB_ENCRYPTION_KEY';

/** Marks every process of one fleet and says which instance it is, for whoever finds it in /proc later. */
export const FLEET_VARIABLE = 'FATHOM_FLEET';
export const INSTANCE_VARIABLE = 'FATHOM_INSTANCE';

/**
 * The arguments of `flock`, which takes the lock on the directory and then becomes PocketBase (`--no-fork`): the kernel frees
 * the lock when, and only when, the process is gone. Every directory is named, as PocketBase's defaults lie beside its
 * executable.
 */
export function lockedArguments(command: InstanceCommand): string[] {
  const directories = {
    dataDir: command.dataDir,
    migrationsDir: command.migrationsDir ?? noDirectory(command),
    hooksDir: command.hooksDir ?? noDirectory(command),
  };
  return [
    '--exclusive',
    '--nonblock',
    '--no-fork',
    `--conflict-exit-code=${LOCKED_EXIT_CODE}`,
    command.lockFile,
    command.binary,
    ...(command.mode === 'migrate' ? migrateArguments(directories) : serveArguments(command, directories)),
  ];
}

interface Directories {
  dataDir: string;
  migrationsDir: string;
  hooksDir: string;
}

function serveArguments(command: InstanceCommand, directories: Directories): string[] {
  return [
    'serve',
    `--http=${hostAndPort(command.host, command.port)}`,
    `--publicDir=${noDirectory(command)}`,
    `--hooksPool=${command.hooksPool}`,
    ...commonArguments(directories),
  ];
}

/** Applies migrations, and ends. */
export function migrateArguments(directories: Directories): string[] {
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

/** A path beside the data that nobody makes: PocketBase takes a directory that is not there for an empty one. */
function noDirectory(command: InstanceCommand): string {
  return `${dirname(command.dataDir)}/none`;
}

/** The value of `--flag=value` in the arguments of a process that was found. */
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
