import { z } from 'zod';
import { FathomError, type FieldError } from '../../shared/errors.ts';
import type { SettingsInput } from '../../shared/settings-files.ts';
import { type LimitsConfig, readAllowedTargets, readLimits, readTrustedProxies } from './limits.ts';
import { type OAuthConfig, readOAuth } from './oauth.ts';
import { publicUrlProblem } from './public-url.ts';
import { readSources, type Sources } from './sources/sources.ts';
import type { SETTINGS } from './sources/variables.ts';
import { ValueReader } from './value-reader.ts';

/** A Unix socket's address has room for 108 bytes, the last of them NUL: unix(7). */
export const MAX_SOCKET_PATH_BYTES = 107;

/** The name of a directory, that leads nowhere else. */
const APPLICATION_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

/** How much of one log is kept, and for how long. */
export interface LogLimits {
  maxBytes: number;
  retentionMs: number;
}

/** Validated once at start and frozen; everything further in may rely on it. */
export interface Config {
  /** This and every other path is absolute. */
  dataDir: string;
  userDatabasesDir: string;
  socketPath: string;
  /** Name or number of the group that may open it; null leaves it to the daemon's own user. */
  socketGroup: string | null;
  server: { host: string; port: number };
  corsOrigins: readonly string[];
  limits: LimitsConfig;
  /** Addresses and networks whose X-Forwarded-For is believed. */
  trustedProxies: readonly string[];
  globalPort: number;
  /** Where user instances listen. */
  bindAddress: string;
  /** Template of the URL handed to end users, see `expandPublicUrl`. */
  publicUrl: string;
  /** User instances listen on ports from `base` to `base + range - 1`. */
  ports: { base: number; range: number };
  /** The administrator's own applications; null takes all that are there. */
  applications: { appDir: string; applications: readonly string[] | null };
  /** Null is the embedded default. */
  binaryPath: string | null;
  healthIntervalMs: number;
  /** `allowedTargets`: what tasks may connect to although it is not public, see `parseAllowedTarget`. */
  worker: { concurrency: number; pollIntervalMs: number; allowedTargets: readonly string[] };
  /** The administrator's own task handlers. */
  tasksDir: string;
  /** `previousSecret` still reads tokens that it signed. */
  jwt: { secret: Uint8Array; previousSecret: Uint8Array | null; expirationHours: number };
  /** 32 bytes each. */
  aesMasterKey: Uint8Array;
  /** Still opens what it sealed, until that is rotated. */
  previousAesMasterKey: Uint8Array | null;
  pbEncryptionKey: Uint8Array;
  /** Still opens the settings that it encrypted; each PocketBase is given the new one when it starts. */
  previousPbEncryptionKey: Uint8Array | null;
  admin: { email: string; password: string };
  log: { level: (typeof SETTINGS.LOG_LEVEL.choices)[number]; dir: string | null } & LogLimits;
  oauth: OAuthConfig;
}

export interface LoadedConfig {
  config: Config;
  /** Worth telling the administrator, one line each; nothing that stops the daemon. */
  warnings: readonly string[];
  /** Where PB_ADMIN_PASSWORD stands, for people who look for it. */
  adminPasswordOrigin: string;
  sources: Sources;
}

/** Throws `config.invalid` with one field for each thing that is wrong, all of them together. */
export function loadConfig(input: SettingsInput): LoadedConfig {
  const sources = readSources(input);
  // Without the file that was named, everything else that is missing would only be its consequence.
  if (sources.problems.length > 0) throw invalidConfig(sources.problems, sources.warnings);
  const read = new ValueReader(sources, input.cwd);
  const config = readConfig(read, sources.dataDir);
  checkPorts(read, config);
  checkSocketGroup(read, config);
  checkDataPaths(read, config);
  if (read.problems.length > 0) throw invalidConfig(read.problems, sources.warnings);
  return {
    config: deepFreeze(config),
    warnings: [...sources.warnings, ...reachWarnings(config)],
    adminPasswordOrigin: sources.originOf('PB_ADMIN_PASSWORD') ?? 'nowhere',
    sources,
  };
}

function readConfig(read: ValueReader, dataDir: string): Config {
  read.path('FATHOM_DATA_DIR');
  return {
    dataDir,
    userDatabasesDir: read.pathInData('PB_USER_DBS_PATH'),
    socketPath: readSocketPath(read),
    socketGroup: read.text('FATHOM_SOCKET_GROUP'),
    server: { host: read.host('SERVER_HOST'), port: read.wholeNumber('SERVER_PORT') },
    corsOrigins: readOrigins(read),
    limits: readLimits(read),
    trustedProxies: readTrustedProxies(read),
    globalPort: read.wholeNumber('PB_GLOBAL_PORT'),
    bindAddress: read.host('PB_BIND_ADDRESS'),
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
    healthIntervalMs: read.wholeNumber('PB_HEALTH_INTERVAL') * 1000,
    worker: {
      concurrency: read.wholeNumber('WORKER_CONCURRENCY'),
      pollIntervalMs: read.wholeNumber('QUEUE_POLL_INTERVAL') * 1000,
      allowedTargets: readAllowedTargets(read),
    },
    tasksDir: read.pathInData('FATHOM_TASKS_DIR'),
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
    oauth: readOAuth(read),
  };
}

function readSocketPath(read: ValueReader): string {
  const path = read.pathInData('FATHOM_SOCKET');
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    const mend = 'set FATHOM_SOCKET to a shorter path';
    read.problem(
      'FATHOM_SOCKET',
      `${path} has ${bytes} bytes, Unix sockets allow ${MAX_SOCKET_PATH_BYTES}; ${mend}`,
    );
  }
  return path;
}

function readOrigins(read: ValueReader): string[] {
  const origins = (read.text('CORS_ORIGINS') ?? '')
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '');
  for (const [index, origin] of origins.entries()) {
    const url = URL.parse(origin);
    if (url !== null && ['http:', 'https:'].includes(url.protocol) && url.origin === origin) continue;
    // Shown only when it can be mended by cutting; anything else may hold a password.
    const mend = url === null || url.origin === 'null' ? 'https://app.example.com' : url.origin;
    read.problem(
      'CORS_ORIGINS',
      `entry ${index + 1} is not an origin; write one like ${mend}, without a path`,
    );
  }
  return origins;
}

function readApplications(read: ValueReader): string[] | null {
  const text = read.text('FATHOM_APPS');
  if (text === null) return null;
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const wrong = names.findIndex((name) => !APPLICATION_NAME.test(name));
  if (wrong !== -1) {
    read.problem(
      'FATHOM_APPS',
      `entry ${wrong + 1} is not the name of an application; use the name of a directory in FATHOM_APP_DIR, like crm`,
    );
  }
  return names;
}

function readPublicUrl(read: ValueReader): string {
  const template = read.textOrDefault('PB_PUBLIC_URL');
  const problem = publicUrlProblem(template);
  if (problem !== null) read.problem('PB_PUBLIC_URL', problem);
  return template;
}

function readEmail(read: ValueReader): string {
  const email = read.textOrDefault('PB_ADMIN_EMAIL');
  // The same rule as for signing in, or the administrator could never do so.
  if (!z.regexes.email.test(email) || email.length > 254) {
    read.problem('PB_ADMIN_EMAIL', 'is not an e-mail address; write one like admin@example.com');
  }
  return email;
}

function checkPorts(read: ValueReader, { server, globalPort, ports }: Config): void {
  const end = ports.base + ports.range;
  if (!read.hasProblem('PB_BASE_PORT') && !read.hasProblem('PB_PORT_RANGE') && end > 65_536) {
    read.problem(
      'PB_PORT_RANGE',
      `${ports.base} + ${ports.range} passes port 65535; lower PB_BASE_PORT or PB_PORT_RANGE`,
    );
  }
  if (server.port === globalPort) {
    read.problem('PB_GLOBAL_PORT', `${globalPort} is SERVER_PORT too; give each a port of its own`);
  }
  for (const [name, port] of [
    ['SERVER_PORT', server.port],
    ['PB_GLOBAL_PORT', globalPort],
  ] as const) {
    if (read.hasProblem(name) || port < ports.base || port >= end) continue;
    const taken = `${port} lies in the range of user databases (${ports.base}–${end - 1})`;
    read.problem(name, `${taken}; move it, PB_BASE_PORT or PB_PORT_RANGE`);
  }
}

function checkSocketGroup(read: ValueReader, { socketGroup, socketPath, dataDir }: Config): void {
  if (socketGroup === null || !socketPath.startsWith(`${dataDir}/`)) return;
  const reach = `its members cannot reach ${socketPath}, as nobody else enters the data directory`;
  read.problem('FATHOM_SOCKET_GROUP', `${reach}; set FATHOM_SOCKET to a path like /run/fathom/fathomd.sock`);
}

/** PocketBase takes what follows a `?` for options of SQLite, and would put the files elsewhere. */
function checkDataPaths(read: ValueReader, { dataDir, userDatabasesDir }: Config): void {
  const paths = [
    ['FATHOM_DATA_DIR', dataDir],
    ['PB_USER_DBS_PATH', userDatabasesDir],
  ] as const;
  const wrong = paths.find(([, path]) => path.includes('?'));
  if (wrong === undefined) return;
  const [name, path] = wrong;
  read.problem(name, `${path} holds a '?', which PocketBase does not take for a part of the path; rename it`);
}

function reachWarnings(config: Config): string[] {
  return [...publicUrlWarnings(config), ...proxyWarnings(config)];
}

/** PocketBase believes the header of whoever connects. */
function proxyWarnings({ bindAddress, trustedProxies }: Config): string[] {
  const own = ['127.0.0.1', '::1', 'localhost'].includes(bindAddress);
  if (own || trustedProxies.length === 0) return [];
  const who = 'every PocketBase takes the last address in X-Forwarded-For for the caller';
  return [`TRUSTED_PROXIES: ${who}; let nobody but the proxies reach its ports on ${bindAddress}`];
}

function publicUrlWarnings({ bindAddress, publicUrl }: Config): string[] {
  const wildcard = ['0.0.0.0', '::'].includes(bindAddress);
  if (!wildcard || !publicUrl.includes('{host}')) return [];
  const why = `with PB_BIND_ADDRESS ${bindAddress} its {host} leads nowhere from other machines`;
  return [`PB_PUBLIC_URL: ${why}; put the public name of this host into it`];
}

/** With the warnings: a name that was mistyped may be why something is missing. */
function invalidConfig(problems: readonly FieldError[], warnings: readonly string[]): FathomError {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return new FathomError('config.invalid', `the configuration is not valid (${count}):`, {
    fields: problems,
    warnings,
  });
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    // Typed arrays cannot be frozen.
    if (typeof inner === 'object' && inner !== null && !ArrayBuffer.isView(inner)) deepFreeze(inner);
  }
  return Object.freeze(value);
}
