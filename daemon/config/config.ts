import { isAbsolute } from 'node:path';
import { z } from 'zod';
import type { DatabaseAccessLevel } from '../../shared/access.ts';
import { FathomError, type FieldError } from '../../shared/errors.ts';
import { MIN_MEMORY_MB } from '../../shared/limits.ts';
import type { SandboxSetting } from '../../shared/sandbox.ts';
import type { SettingsInput } from '../../shared/settings-files.ts';
import type { SignUpMode } from '../../shared/sign-up.ts';
import { isVersion } from '../../shared/version.ts';
import {
  type AlertConfig,
  readAlerts,
  readEventWebhook,
  type WebhookTarget,
  webhookWarnings,
} from './alerts.ts';
import { type BackupConfig, readBackups, type WrittenSettings, writtenSettings } from './backups.ts';
import { type ClusterConfig, readCluster } from './cluster.ts';
import { type LimitsConfig, readAllowedTargets, readLimits, readTrustedProxies } from './limits.ts';
import { type MailConfig, mailWarnings, readMail, readSiteUrl } from './mail.ts';
import { type OAuthConfig, readOAuth } from './oauth.ts';
import { publicUrlProblem } from './public-url.ts';
import { parseReleaseSources, type ReleaseSource } from './release-source.ts';
import { type ReplicaConfig, readReplica } from './replica.ts';
import { readSources, type Sources } from './sources/sources.ts';
import type { SETTINGS } from './sources/variables.ts';
import { ValueReader } from './value-reader.ts';

/** The address of a Unix socket has 108 bytes including the final NUL: unix(7). */
export const MAX_SOCKET_PATH_BYTES = 107;

/** A directory name without path separators or a leading dot. */
/** A week after the last use, owners get the first mail at the earliest. */
const MIN_INACTIVE_DAYS = 14;
const APPLICATION_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

/** Size and retention limits of one log. */
export interface LogLimits {
  maxBytes: number;
  retentionMs: number;
}

/** Null without a limit. */
export interface DatabaseLimits {
  memoryMb: number | null;
  diskMb: number | null;
}

export interface SignUpConfig {
  mode: SignUpMode;
  /** Of the fleet; null without a limit. */
  maxDatabases: number | null;
}

/** The configuration, validated at start and frozen. */
export interface Config {
  /** Like every other path here: absolute. */
  dataDir: string;
  userDatabasesDir: string;
  socketPath: string;
  /** Name or number of the group that may connect to the socket; null limits it to the daemon's own user. */
  socketGroup: string | null;
  server: { host: string; port: number };
  /** Whether the page of owners is served. */
  webPage: boolean;
  corsOrigins: readonly string[];
  limits: LimitsConfig;
  signUps: SignUpConfig;
  /** Number of databases with a process, above which some sleep; null without a limit. */
  maxAwake: number | null;
  /** How long a deleted database can come back; 0 erases it at once. */
  trashDays: number;
  /** Days without use after which a database is archived; 0 archives none. */
  inactiveDays: number;
  /** The mail server of the daemon; null uses the mail settings of the global PocketBase. */
  mail: MailConfig | null;
  /** PUBLIC_URL, without a slash at the end; null leaves the links in mails as they are. */
  siteUrl: string | null;
  /** Addresses and networks whose X-Forwarded-For header is trusted. */
  trustedProxies: readonly string[];
  /** Null when no reverse proxy asks for ports of databases. */
  edgeToken: string | null;
  globalPort: number;
  /** The address that all instances listen on. */
  bindAddress: string;
  /** Template of the URL that end users get, see `expandPublicUrl`. */
  publicUrl: string;
  /** User instances listen on ports from `base` to `base + range - 1`. */
  ports: { base: number; range: number };
  /** The administrator's own applications; null uses all in the directory. */
  applications: { appDir: string; applications: readonly string[] | null };
  /** Null uses the embedded PocketBase. */
  binaryPath: string | null;
  /** Version of the global PocketBase; null for that of the fleet. */
  globalVersion: string | null;
  /** PB_RELEASES_URL; empty uses the releases of PocketBase. */
  releaseSources: readonly ReleaseSource[];
  sandbox: SandboxSetting;
  /** Databases with series of their own. */
  metricsDatabases: 'awake' | 'all' | 'none';
  /** `auto`, `off`, or an absolute path. */
  cgroup: string;
  healthIntervalMs: number;
  /** Of the Go runtime of user databases; null without a setting. */
  go: { memoryBytes: number | null; processors: number | null };
  /** Back-off of restarts, and the attempts of an instance that has never served. */
  restarts: { baseMs: number; capMs: number; maxAttempts: number };
  /** Space on the disk of the data directory that is kept for the control plane; 0 without a reserve. */
  diskReserveBytes: number;
  /** Of user databases without limits of their own. */
  databaseLimits: DatabaseLimits;
  /**
   * What owners may use in databases without a setting of their own, and targets that are not public and that databases of
   * developers may connect to, see `parseAllowedTarget`.
   */
  ownerAccess: { access: DatabaseAccessLevel; allowedTargets: readonly string[] };
  /** `allowedTargets`: targets that are not public and that tasks may connect to, see `parseAllowedTarget`. */
  worker: { concurrency: number; pollIntervalMs: number; allowedTargets: readonly string[] };
  /** The administrator's own task handlers, and whether they run in a sandbox. */
  tasksDir: string;
  tasksSandbox: boolean;
  /** Files and directories that settings, with secrets, were read from. */
  secretPaths: readonly string[];
  /** `previousSecret` still verifies tokens that it signed. */
  jwt: { secret: Uint8Array; previousSecret: Uint8Array | null; expirationHours: number };
  /** 32 bytes each. */
  aesMasterKey: Uint8Array;
  /** Decrypts values that it encrypted until they are rotated. */
  previousAesMasterKey: Uint8Array | null;
  pbEncryptionKey: Uint8Array;
  /** Decrypts settings that it encrypted. Each PocketBase gets the new key when it starts. */
  previousPbEncryptionKey: Uint8Array | null;
  admin: { email: string; password: string };
  log: { level: (typeof SETTINGS.LOG_LEVEL.choices)[number]; dir: string | null } & LogLimits;
  /** Age at which entries of the audit log are archived; null never. */
  auditRetentionMs: number | null;
  oauth: OAuthConfig;
  alerts: AlertConfig;
  /** Where events of users and databases are sent; null without one. */
  eventWebhook: WebhookTarget | null;
  backups: BackupConfig;
  replica: ReplicaConfig;
  /** Null for a single server. */
  cluster: ClusterConfig | null;
  /** What is backed up of the settings. */
  written: WrittenSettings;
}

export interface LoadedConfig {
  config: Config;
  /** One line each. Warnings do not stop the daemon. */
  warnings: readonly string[];
  /** The source of PB_ADMIN_PASSWORD, to show to the administrator. */
  adminPasswordOrigin: string;
  sources: Sources;
}

/** The settings for the site of a reverse proxy. */
export type EdgeConfig = Pick<Config, 'server' | 'limits' | 'globalPort' | 'bindAddress' | 'edgeToken'>;

/**
 * The settings of a reverse proxy in a container of its own, which has no secret but EDGE_TOKEN.
 *
 * @throws FathomError `config.invalid` with one field for each problem
 */
export function loadEdgeConfig(input: SettingsInput): EdgeConfig & { edgeToken: string } {
  const sources = readSources(input);
  const read = new ValueReader(sources, input.cwd);
  const { edgeToken, ...config } = readEdge(read);
  if (edgeToken === null) read.problem('EDGE_TOKEN', 'is not set; use the value of the daemon');
  const problems = [...sources.problems, ...read.problems];
  if (edgeToken === null || problems.length > 0) throw invalidConfig(problems, sources.warnings);
  return { ...config, edgeToken };
}

/** @throws FathomError `config.invalid` with one field for each problem */
export function loadConfig(input: SettingsInput): LoadedConfig {
  const sources = readSources(input);
  // A missing file would also cause problems with settings that it contains.
  if (sources.problems.length > 0) throw invalidConfig(sources.problems, sources.warnings);
  const read = new ValueReader(sources, input.cwd);
  const config = readConfig(read, sources, input.cwd);
  checkPorts(read, config);
  checkSocketGroup(read, config);
  checkDataPaths(read, config);
  if (read.problems.length > 0) throw invalidConfig(read.problems, sources.warnings);
  return {
    config: deepFreeze(config),
    warnings: [
      ...sources.warnings,
      ...publicUrlWarnings(config),
      ...proxyWarnings(config),
      ...mailWarnings(config),
      ...webhookWarnings({
        ALERT_WEBHOOK_URL: config.alerts.webhook,
        EVENT_WEBHOOK_URL: config.eventWebhook,
      }),
    ],
    adminPasswordOrigin: sources.originOf('PB_ADMIN_PASSWORD') ?? 'nowhere',
    sources,
  };
}

function readConfig(read: ValueReader, { dataDir, ...sources }: Sources, cwd: string): Config {
  read.path('FATHOM_DATA_DIR');
  return {
    dataDir,
    userDatabasesDir: read.pathInData('PB_USER_DBS_PATH'),
    socketPath: readSocketPath(read),
    socketGroup: read.text('FATHOM_SOCKET_GROUP'),
    ...readEdge(read),
    webPage: read.choice('FATHOM_WEB') === 'on',
    corsOrigins: readOrigins(read),
    signUps: {
      mode: read.choice('SIGN_UP_MODE'),
      maxDatabases: read.wholeNumber('MAX_DATABASES') || null,
    },
    maxAwake: read.wholeNumber('MAX_AWAKE') || null,
    trashDays: read.wholeNumber('DATABASE_TRASH_DAYS'),
    inactiveDays: readInactiveDays(read),
    mail: readMail(read),
    siteUrl: readSiteUrl(read),
    trustedProxies: readTrustedProxies(read),
    publicUrl: readPublicUrl(read),
    ports: {
      base: read.wholeNumber('PB_BASE_PORT'),
      range: read.wholeNumber('PB_PORT_RANGE'),
    },
    applications: {
      appDir: read.pathInData('FATHOM_APP_DIR'),
      applications: readApplications(read),
    },
    binaryPath: read.path('PB_BINARY_PATH'),
    globalVersion: readGlobalVersion(read),
    releaseSources: parseReleaseSources(read.text('PB_RELEASES_URL') ?? '', cwd, (problem) =>
      read.problem('PB_RELEASES_URL', problem),
    ),
    sandbox: read.choice('PB_SANDBOX'),
    ownerAccess: {
      access: read.choice('OWNER_ACCESS'),
      allowedTargets: readAllowedTargets(read, 'OWNER_ALLOWED_TARGETS'),
    },
    metricsDatabases: read.choice('METRICS_DATABASES'),
    cgroup: readCgroup(read),
    databaseLimits: {
      memoryMb: readMemoryLimit(read),
      diskMb: read.wholeNumber('DATABASE_DISK_MB') || null,
    },
    diskReserveBytes: read.wholeNumber('DISK_RESERVE_MB') * 1024 * 1024,
    healthIntervalMs: read.wholeNumber('PB_HEALTH_INTERVAL') * 1000,
    go: {
      memoryBytes: read.wholeNumber('PB_GOMEMLIMIT_MB') * 1024 * 1024 || null,
      processors: read.wholeNumber('PB_GOMAXPROCS') || null,
    },
    restarts: {
      baseMs: read.wholeNumber('RESTART_BACKOFF_BASE_MS'),
      capMs: read.wholeNumber('RESTART_BACKOFF_MAX_S') * 1000,
      maxAttempts: read.wholeNumber('RESTART_MAX_ATTEMPTS'),
    },
    worker: {
      concurrency: read.wholeNumber('WORKER_CONCURRENCY'),
      pollIntervalMs: read.wholeNumber('QUEUE_POLL_INTERVAL') * 1000,
      allowedTargets: readAllowedTargets(read, 'QUEUE_ALLOWED_TARGETS'),
    },
    tasksDir: read.pathInData('FATHOM_TASKS_DIR'),
    tasksSandbox: read.choice('QUEUE_SANDBOX') === 'auto',
    secretPaths: sources.secretPaths,
    jwt: {
      secret: new TextEncoder().encode(read.secretText('JWT_SECRET')),
      previousSecret: read.optionalSecretText('JWT_PREVIOUS_SECRET'),
      expirationHours: read.wholeNumber('JWT_EXPIRATION_HOURS'),
    },
    aesMasterKey: read.key('AES_MASTER_KEY'),
    previousAesMasterKey: read.optionalKey('AES_PREVIOUS_MASTER_KEY'),
    pbEncryptionKey: read.key('PB_ENCRYPTION_KEY'),
    previousPbEncryptionKey: read.optionalKey('PB_PREVIOUS_ENCRYPTION_KEY'),
    admin: {
      email: readEmail(read),
      password: read.secretText('PB_ADMIN_PASSWORD'),
    },
    log: {
      level: read.choice('LOG_LEVEL'),
      dir: read.path('LOG_DIR'),
      retentionMs: read.wholeNumber('LOG_RETENTION_DAYS') * 86_400_000,
      maxBytes: read.wholeNumber('LOG_MAX_MB') * 1024 * 1024,
    },
    auditRetentionMs: read.wholeNumber('AUDIT_RETENTION_DAYS') * 86_400_000 || null,
    oauth: readOAuth(read),
    alerts: readAlerts(read),
    eventWebhook: readEventWebhook(read),
    backups: readBackups(read, { dataDir, cwd }),
    replica: readReplica(read, { dataDir, cwd }),
    cluster: readCluster(read),
    written: writtenSettings(sources),
  };
}

function readEdge(read: ValueReader): EdgeConfig {
  return {
    server: { host: read.host('SERVER_HOST'), port: read.wholeNumber('SERVER_PORT') },
    limits: readLimits(read),
    globalPort: read.wholeNumber('PB_GLOBAL_PORT'),
    bindAddress: read.host('PB_BIND_ADDRESS'),
    edgeToken: readEdgeToken(read),
  };
}

/** The token is written into the configuration of the proxy, where other characters could end the value. */
function readEdgeToken(read: ValueReader): string | null {
  const bytes = read.optionalSecretText('EDGE_TOKEN');
  if (bytes === null) return null;
  const token = new TextDecoder().decode(bytes);
  if (!/^[\w-]*$/.test(token)) {
    read.problem(
      'EDGE_TOKEN',
      "has characters other than letters, digits, '-' and '_'; remove it and run 'fathomd install --edge' again",
    );
  }
  return token;
}

function readSocketPath(read: ValueReader): string {
  const path = read.pathInData('FATHOM_SOCKET');
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    read.problem(
      'FATHOM_SOCKET',
      `${path} has ${bytes} bytes, Unix sockets allow ${MAX_SOCKET_PATH_BYTES}; use a shorter path`,
    );
  }
  return path;
}

function readOrigins(read: ValueReader): string[] {
  const origins = read.list('CORS_ORIGINS');
  for (const [index, origin] of origins.entries()) {
    const url = URL.parse(origin);
    if (url !== null && ['http:', 'https:'].includes(url.protocol) && url.origin === origin) continue;
    // Only the origin of the entry is shown: the rest may contain a password.
    const example = url === null || url.origin === 'null' ? 'https://app.example.com' : url.origin;
    read.problem(
      'CORS_ORIGINS',
      `entry ${index + 1} is not an origin; write it like ${example}, without a path`,
    );
  }
  return origins;
}

function readApplications(read: ValueReader): string[] | null {
  if (read.text('FATHOM_APPS') === null) return null;
  const names = read.list('FATHOM_APPS');
  const invalid = names.findIndex((name) => !APPLICATION_NAME.test(name));
  if (invalid !== -1) {
    read.problem(
      'FATHOM_APPS',
      `entry ${invalid + 1} is not an application name; use the name of a directory in FATHOM_APP_DIR, like crm`,
    );
  }
  return names;
}

/** Null without a limit. */
function readCgroup(read: ValueReader): string {
  const value = read.textOrDefault('FATHOM_CGROUP');
  if (value !== 'auto' && value !== 'off' && !isAbsolute(value))
    read.problem(
      'FATHOM_CGROUP',
      `'${value}' is not an absolute path; use auto, off or the path of a cgroup`,
    );
  return value;
}

function readGlobalVersion(read: ValueReader): string | null {
  const version = read.text('PB_GLOBAL_VERSION');
  if (version !== null && !isVersion(version))
    read.problem('PB_GLOBAL_VERSION', `'${version}' is not a version; use one like 0.40.1`);
  return version;
}

function readMemoryLimit(read: ValueReader): number | null {
  const limit = read.wholeNumber('DATABASE_MEMORY_MB');
  if (limit !== 0 && limit < MIN_MEMORY_MB)
    read.problem(
      'DATABASE_MEMORY_MB',
      `${limit} is too low; use at least ${MIN_MEMORY_MB}, or 0 for no limit`,
    );
  return limit || null;
}

function readInactiveDays(read: ValueReader): number {
  const days = read.wholeNumber('DATABASE_INACTIVE_DAYS');
  if (days !== 0 && days < MIN_INACTIVE_DAYS)
    read.problem(
      'DATABASE_INACTIVE_DAYS',
      `${days} is too low; use at least ${MIN_INACTIVE_DAYS}, because owners get a mail 7 days before, or 0 to archive none`,
    );
  return days;
}

function readPublicUrl(read: ValueReader): string {
  const template = read.textOrDefault('PB_PUBLIC_URL');
  const problem = publicUrlProblem(template);
  if (problem !== null) read.problem('PB_PUBLIC_URL', problem);
  return template;
}

function readEmail(read: ValueReader): string {
  const email = read.textOrDefault('PB_ADMIN_EMAIL');
  // The same rule as at the sign-in, so that the administrator can sign in.
  if (!z.regexes.email.test(email) || email.length > 254) {
    read.problem('PB_ADMIN_EMAIL', 'is not an e-mail address; write it like admin@example.com');
  }
  return email;
}

function checkPorts(read: ValueReader, { server, globalPort, ports }: Config): void {
  const end = ports.base + ports.range;
  if (!read.hasProblem('PB_BASE_PORT') && !read.hasProblem('PB_PORT_RANGE') && end > 65_536) {
    read.problem(
      'PB_PORT_RANGE',
      `${ports.base} + ${ports.range} exceeds port 65535; lower PB_BASE_PORT or PB_PORT_RANGE`,
    );
  }
  if (server.port === globalPort) {
    read.problem('PB_GLOBAL_PORT', `${globalPort} is also SERVER_PORT; use two different ports`);
  }
  for (const [name, port] of [
    ['SERVER_PORT', server.port],
    ['PB_GLOBAL_PORT', globalPort],
  ] as const) {
    if (read.hasProblem(name) || port < ports.base || port >= end) continue;
    const conflict = `${port} is in the port range of user databases (${ports.base}–${end - 1})`;
    read.problem(name, `${conflict}; change it, PB_BASE_PORT or PB_PORT_RANGE`);
  }
}

function checkSocketGroup(read: ValueReader, { socketGroup, socketPath, dataDir }: Config): void {
  if (socketGroup === null || !socketPath.startsWith(`${dataDir}/`)) return;
  const reason = `its members cannot reach ${socketPath}: the data directory is closed to other users`;
  read.problem('FATHOM_SOCKET_GROUP', `${reason}; set FATHOM_SOCKET to a path like /run/fathom/fathomd.sock`);
}

/** PocketBase reads the part after a `?` as SQLite options, and would store the files in another directory. */
function checkDataPaths(read: ValueReader, { dataDir, userDatabasesDir }: Config): void {
  const paths = [
    ['FATHOM_DATA_DIR', dataDir],
    ['PB_USER_DBS_PATH', userDatabasesDir],
  ] as const;
  const invalid = paths.find(([, path]) => path.includes('?'));
  if (invalid === undefined) return;
  const [name, path] = invalid;
  read.problem(name, `${path} contains a '?', which PocketBase cannot use in a path; rename the directory`);
}

/** PocketBase trusts the header of every client. */
function proxyWarnings({ bindAddress, trustedProxies }: Config): string[] {
  const isLoopback = ['127.0.0.1', '::1', 'localhost'].includes(bindAddress);
  if (isLoopback || trustedProxies.length === 0) return [];
  const reason = 'every PocketBase takes the last address in X-Forwarded-For as the client address';
  return [`TRUSTED_PROXIES: ${reason}; allow only the proxies to reach its ports on ${bindAddress}`];
}

function publicUrlWarnings({ bindAddress, publicUrl }: Config): string[] {
  const isWildcard = ['0.0.0.0', '::'].includes(bindAddress);
  if (!isWildcard || !publicUrl.includes('{host}')) return [];
  const reason = `with PB_BIND_ADDRESS ${bindAddress}, other machines cannot reach its {host}`;
  return [`PB_PUBLIC_URL: ${reason}; replace {host} by the public name of this host`];
}

/** Includes the warnings: a mistyped name may be the reason for a missing setting. */
function invalidConfig(problems: readonly FieldError[], warnings: readonly string[]): FathomError {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return new FathomError('config.invalid', `the configuration is not valid (${count}):`, {
    fields: problems,
    warnings,
  });
}

function deepFreeze<T extends object>(value: T): T {
  for (const field of Object.values(value)) {
    // Typed arrays cannot be frozen.
    if (typeof field === 'object' && field !== null && !ArrayBuffer.isView(field)) deepFreeze(field);
  }
  return Object.freeze(value);
}
