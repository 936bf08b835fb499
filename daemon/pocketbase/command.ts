import { dirname } from 'node:path';

/** What one PocketBase process needs to be started. */
export interface InstanceCommand {
  name: string;
  binary: string;
  /** PocketBase's own directory (`pb_data`). */
  dataDir: string;
  logFile: string;
  host: string;
  port: number;
  migrationsDir: string;
  /** Null runs without hooks, which saves memory and start time. */
  hooksDir: string | null;
  /** JavaScript runtimes kept warm; about 0.3 MB each. */
  hooksPool: number;
  /** Only what this process needs; secrets come in here and never through argv. */
  environment: Record<string, string>;
}

/** Names the variable that holds the key with which PocketBase encrypts its settings. */
export const ENCRYPTION_VARIABLE = 'PB_ENCRYPTION_KEY';

/** Marks every process of one fleet and says which instance it is, for whoever finds it in /proc later. */
export const FLEET_VARIABLE = 'FATHOM_FLEET';
export const INSTANCE_VARIABLE = 'FATHOM_INSTANCE';

/** The arguments of PocketBase. Every directory is named, as its defaults lie beside its executable. */
export function instanceArguments(command: InstanceCommand): string[] {
  return [
    'serve',
    `--http=${listenAddress(command.host, command.port)}`,
    `--dir=${command.dataDir}`,
    `--migrationsDir=${command.migrationsDir}`,
    `--hooksDir=${command.hooksDir ?? noDirectory(command)}`,
    `--publicDir=${noDirectory(command)}`,
    `--hooksPool=${command.hooksPool}`,
    `--encryptionEnv=${ENCRYPTION_VARIABLE}`,
    '--hooksWatch=false',
    '--automigrate=false',
    '--dev=false',
  ];
}

/** `host:port`, with the brackets that an IPv6 address needs. */
export function listenAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where to reach what listens on `host`: the wildcard addresses are reached over loopback. */
export function connectHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '::1';
  return host;
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
