import { SANDBOX_SETTINGS } from '../../../shared/sandbox.ts';
import { nestedNameOf } from '../../../shared/setting-names.ts';
import { DEFAULT_DATA_DIR } from '../../../shared/settings-files.ts';
import { ALERT_SETTINGS } from './alert-settings.ts';
import { BACKUP_SETTINGS } from './backup-settings.ts';
import { CLUSTER_SETTINGS } from './cluster-settings.ts';
import { DATABASE_SETTINGS, LIMIT_SETTINGS, USER_LIMIT_SETTINGS } from './limit-settings.ts';
import { MAIL_SETTINGS } from './mail-settings.ts';
import { OWNER_SETTINGS } from './owner-settings.ts';
import { RUNTIME_SETTINGS } from './runtime-settings.ts';
import type { Setting } from './setting.ts';

const DAYS_OF_A_YEAR = 365;
const SECONDS_OF_A_DAY = 86_400;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

const KEY = { type: 'key', group: 'secrets', hidden: true } as const;
const PORT = { type: 'number', min: 1, max: 65_535 } as const;
const PROVIDER = { type: 'text', group: 'providers', reload: true } as const;

/** Every setting of the daemon. After a change, run `npm run docs:settings`. */
export const SETTINGS = {
  AES_MASTER_KEY: {
    ...KEY,
    about: 'Encrypts the secrets that Fathom stores.',
    required: true,
  },
  JWT_SECRET: {
    type: 'secret',
    group: 'secrets',
    about: 'Signs sessions. A new value signs all users out, unless JWT_PREVIOUS_SECRET holds the old one.',
    min: 32,
    required: true,
    hidden: true,
  },
  PB_ENCRYPTION_KEY: {
    ...KEY,
    about: 'Encrypts the settings of every PocketBase.',
    required: true,
  },
  PB_ADMIN_PASSWORD: {
    type: 'secret',
    group: 'administrator',
    about: 'Password of the first administrator, who is also a superuser of the global PocketBase.',
    // bcrypt reads no more, and a sign-in accepts no less.
    min: 8,
    max: 71,
    required: true,
    hidden: true,
  },
  PB_ADMIN_EMAIL: {
    type: 'text',
    group: 'administrator',
    about: 'E-mail address of the first administrator.',
    default: 'admin@fathom.local',
  },
  AES_PREVIOUS_MASTER_KEY: {
    ...KEY,
    about: "The AES_MASTER_KEY before the current one. Remove it after 'fathomd secrets rotate'.",
  },
  JWT_PREVIOUS_SECRET: {
    type: 'secret',
    group: 'secrets',
    about:
      'The JWT_SECRET before the current one. Sessions that it signed stay valid. ' +
      'Remove it after JWT_EXPIRATION_HOURS.',
    min: 32,
    hidden: true,
  },
  PB_PREVIOUS_ENCRYPTION_KEY: {
    ...KEY,
    about:
      'The PB_ENCRYPTION_KEY before the current one. ' +
      'Remove it when the daemon has started every PocketBase with the current one.',
  },

  FATHOM_DATA_DIR: {
    type: 'path',
    group: 'files',
    about: 'Directory of all data.',
    default: DEFAULT_DATA_DIR,
  },
  PB_USER_DBS_PATH: {
    type: 'path',
    group: 'files',
    about: 'Directory of the user databases, with one directory for each.',
    default: 'user_dbs',
  },
  FATHOM_SOCKET: {
    type: 'path',
    group: 'files',
    about: 'Local admin socket. The path has at most 107 bytes.',
    default: 'run/fathomd.sock',
  },
  FATHOM_SOCKET_GROUP: {
    type: 'text',
    group: 'files',
    about:
      'Name or number of a group whose members can open the local admin socket. Its members are administrators. ' +
      'Needs a FATHOM_SOCKET outside of FATHOM_DATA_DIR.',
  },
  FATHOM_TASKS_DIR: {
    type: 'path',
    group: 'files',
    about: 'Directory of your task handlers.',
    default: 'tasks',
  },
  FATHOM_APP_DIR: {
    type: 'path',
    group: 'files',
    about:
      'Directory of your applications, with one directory for each: app.json, migrations, hooks, public. ' +
      'Upgrades do not change it.',
    default: 'apps',
  },
  FATHOM_APPS: {
    type: 'list',
    group: 'files',
    about:
      'Applications of new databases. Without it, they get all applications in FATHOM_APP_DIR. Those of Fathom, such as work-items, must be named.',
  },
  PB_BINARY_PATH: {
    type: 'path',
    group: 'files',
    about:
      'PocketBase executable to run instead of the embedded one. ' +
      "'fathomd pocketbase install' downloads one and prints this line.",
  },
  PB_RELEASES_URL: {
    type: 'list',
    group: 'files',
    about:
      'Where to look for releases of PocketBase, in this order: https addresses of mirrors, directories, or archives. ' +
      'Each release needs its checksums.txt. Without it: the GitHub releases of PocketBase.',
    reload: true,
  },
  PB_GLOBAL_VERSION: {
    type: 'text',
    group: 'files',
    about:
      'Version of the global PocketBase, when it is not that of the user databases. ' +
      "'fathomd pocketbase install VERSION' installs it.",
  },

  SERVER_HOST: {
    type: 'host',
    group: 'server',
    about: 'Address of the HTTP API and the stream.',
    default: '127.0.0.1',
  },
  SERVER_PORT: { ...PORT, group: 'server', about: 'Port of the HTTP API and the stream.', default: 3000 },
  FATHOM_WEB: {
    type: 'choice',
    group: 'server',
    about: 'Serves the page of owners at the address of the HTTP API.',
    default: 'on',
    choices: ['on', 'off'],
    reload: true,
  },
  CORS_ORIGINS: {
    type: 'list',
    group: 'server',
    about: 'Origins of web applications that may call the API, like https://app.example.com.',
    reload: true,
  },
  TRUSTED_PROXIES: {
    type: 'list',
    group: 'server',
    about:
      'Addresses or networks of the reverse proxies in front of the API. ' +
      'Fathom takes the address of a client from their X-Forwarded-For.',
  },
  EDGE_TOKEN: {
    type: 'secret',
    group: 'server',
    about:
      'Authenticates the reverse proxy that asks for the port of a database. ' +
      "'fathomd install --edge' generates it. Without it, no proxy gets an answer.",
    min: 32,
    hidden: true,
  },
  JWT_EXPIRATION_HOURS: {
    type: 'number',
    group: 'server',
    about: 'Lifetime of a session.',
    default: 24,
    min: 1,
    max: 24 * DAYS_OF_A_YEAR,
    unit: 'hours',
  },

  ...LIMIT_SETTINGS,
  ...MAIL_SETTINGS,
  ...USER_LIMIT_SETTINGS,

  METRICS_DATABASES: {
    type: 'choice',
    group: 'server',
    about:
      'Databases with series of their own in the metrics: those that run or should run (awake), also sleeping and stopped ' +
      'ones (all), or only the global one (none). Totals always count all.',
    default: 'awake',
    choices: ['awake', 'all', 'none'],
  },
  PB_GLOBAL_PORT: { ...PORT, group: 'instances', about: 'Port of the global PocketBase.', default: 8090 },
  PB_BIND_ADDRESS: {
    type: 'host',
    group: 'instances',
    about: 'Address on which the global PocketBase and the user databases listen.',
    default: '127.0.0.1',
  },
  PB_PUBLIC_URL: {
    type: 'text',
    group: 'instances',
    about: 'URL of a user database for its owner. {name}, {port} and {host} are replaced.',
    default: 'http://{host}:{port}',
  },
  PB_BASE_PORT: { ...PORT, group: 'instances', about: 'First port of user databases.', default: 9000 },
  PB_PORT_RANGE: {
    ...PORT,
    group: 'instances',
    about: 'Number of ports of user databases, from PB_BASE_PORT on.',
    default: 1000,
  },
  PB_HEALTH_INTERVAL: {
    type: 'number',
    group: 'instances',
    about: 'Time between two probes of an instance.',
    default: 30,
    min: 1,
    max: SECONDS_OF_A_DAY,
    unit: 'seconds',
  },
  ...RUNTIME_SETTINGS,
  PB_SANDBOX: {
    type: 'choice',
    group: 'instances',
    about:
      'What a PocketBase process can reach: its own files and port (full), its own files (files), or all files of the ' +
      'user but fewer system calls (syscalls). auto uses the best level that the host supports. A level is a ' +
      'requirement: without it, no instance starts. off starts without a sandbox.',
    default: 'auto',
    choices: SANDBOX_SETTINGS,
  },
  ...OWNER_SETTINGS,
  FATHOM_CGROUP: {
    type: 'text',
    group: 'instances',
    about: 'The cgroup that instances share: auto (delegated by systemd), off, or an absolute path.',
    default: 'auto',
  },
  ...DATABASE_SETTINGS,
  DISK_RESERVE_MB: {
    type: 'number',
    group: 'instances',
    about:
      'Space on the disk of FATHOM_DATA_DIR that is reserved for sign-ins and administration, at most a twentieth of the ' +
      'disk. When less than half as much is free beside it, databases that write refuse writes. 0 reserves none.',
    default: 256,
    min: 0,
    max: 1_000_000,
    unit: 'MiB',
  },
  ...BACKUP_SETTINGS,

  QUEUE_SANDBOX: {
    type: 'choice',
    group: 'queue',
    about: 'Keeps your task handlers from the data and the secrets of the fleet: auto (if possible) or off.',
    default: 'auto',
    choices: ['auto', 'off'],
  },
  WORKER_CONCURRENCY: {
    type: 'number',
    group: 'queue',
    about: 'Tasks that may run at a time, over all workers.',
    default: 1,
    min: 1,
    max: 1000,
  },
  QUEUE_POLL_INTERVAL: {
    type: 'number',
    group: 'queue',
    about: 'Time between two checks for due tasks. A new task starts at once without waiting for a check.',
    default: 5,
    min: 1,
    max: SECONDS_OF_A_DAY,
    unit: 'seconds',
  },
  QUEUE_ALLOWED_TARGETS: {
    type: 'list',
    group: 'queue',
    about:
      'Hosts and networks that are not public and that http.request and mail.send may connect to, ' +
      'like localhost:25, intranet.example.com or 10.0.0.0/8.',
  },
  ...ALERT_SETTINGS,
  ...CLUSTER_SETTINGS,

  LOG_LEVEL: {
    type: 'choice',
    group: 'logs',
    about: 'Lowest level that the daemon logs.',
    default: 'info',
    choices: LOG_LEVELS,
    reload: true,
  },
  LOG_DIR: {
    type: 'path',
    group: 'logs',
    about:
      'Directory of the log of the daemon and the logs of instances. Without it, the daemon logs to standard output only, ' +
      'and the logs of instances are in FATHOM_DATA_DIR/logs.',
  },
  LOG_RETENTION_DAYS: {
    type: 'number',
    group: 'logs',
    about: 'Age at which a part of a log is removed.',
    default: 14,
    min: 1,
    max: 10 * DAYS_OF_A_YEAR,
    unit: 'days',
  },
  LOG_MAX_MB: {
    type: 'number',
    group: 'logs',
    about: 'Size of one log that is kept: of each instance, and of the daemon in LOG_DIR.',
    default: 32,
    min: 1,
    max: 1_000_000,
    unit: 'MiB',
  },

  AUDIT_RETENTION_DAYS: {
    type: 'number',
    group: 'logs',
    about:
      'Age at which entries of the audit log move from the control plane into files in FATHOM_DATA_DIR/audit. ' +
      'Fathom never removes these files. 0 moves none.',
    default: DAYS_OF_A_YEAR,
    min: 0,
    max: 100 * DAYS_OF_A_YEAR,
    unit: 'days',
  },

  GOOGLE_CLIENT_ID: { ...PROVIDER, about: 'Client ID at Google. Set it together with GOOGLE_CLIENT_SECRET.' },
  GOOGLE_CLIENT_SECRET: { ...PROVIDER, about: 'Client secret at Google.', hidden: true },
  GITHUB_CLIENT_ID: { ...PROVIDER, about: 'Client ID at GitHub. Set it together with GITHUB_CLIENT_SECRET.' },
  GITHUB_CLIENT_SECRET: { ...PROVIDER, about: 'Client secret at GitHub.', hidden: true },
  OIDC_CLIENT_ID: {
    ...PROVIDER,
    about:
      'Client ID at a provider of OpenID Connect. Set it together with OIDC_CLIENT_SECRET and the three URLs.',
  },
  OIDC_CLIENT_SECRET: { ...PROVIDER, about: 'Client secret at that provider.', hidden: true },
  OIDC_AUTH_URL: { ...PROVIDER, type: 'URL', about: "The provider's authorization_endpoint." },
  OIDC_TOKEN_URL: { ...PROVIDER, type: 'URL', about: "The provider's token_endpoint." },
  OIDC_USER_INFO_URL: { ...PROVIDER, type: 'URL', about: "The provider's userinfo_endpoint." },
  OIDC_DISPLAY_NAME: { ...PROVIDER, about: 'Name of the provider on the sign-in button.' },
} as const satisfies Record<string, Setting>;

export type Variable = keyof typeof SETTINGS;

/** The settings of one type, such as `number`. */
export type VariableOf<T extends Setting['type']> = {
  [Name in Variable]: (typeof SETTINGS)[Name]['type'] extends T ? Name : never;
}[Variable];

export const VARIABLES = Object.keys(SETTINGS) as readonly Variable[];

/** Every name that a source can set, also the nested ones. */
export const SETTING_NAMES: readonly string[] = VARIABLES.flatMap((name) => [name, nestedNameOf(name)]);

/** Secrets that the first start generates when they are not set, and that `fathomd init` generates. */
export const GENERATED_SECRETS = [
  'AES_MASTER_KEY',
  'JWT_SECRET',
  'PB_ENCRYPTION_KEY',
  'PB_ADMIN_PASSWORD',
] as const satisfies readonly Variable[];

export type GeneratedSecret = (typeof GENERATED_SECRETS)[number];

export function isSecret(name: string): boolean {
  const setting: Setting | undefined = Object.hasOwn(SETTINGS, name) ? SETTINGS[name as Variable] : undefined;
  return setting?.hidden ?? false;
}

/** Variables that only the command line and the console read. Listed so that they are not reported as typos. */
export const OTHER_VARIABLES: readonly string[] = ['FATHOM_TOKEN', 'FATHOM_OWNS_DAEMON', 'FATHOM_ENV_FILE'];
