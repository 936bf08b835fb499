import type { Config } from './config.ts';
import { SETTING_GROUPS, type Setting } from './sources/setting.ts';
import { SETTINGS, VARIABLES, type Variable } from './sources/variables.ts';

/** Settings that a reload changes in a running daemon. Read them here at every use. */
export type LiveSettings = Pick<
  Config,
  | 'webPage'
  | 'corsOrigins'
  | 'limits'
  | 'signUps'
  | 'maxAwake'
  | 'trashDays'
  | 'inactiveDays'
  | 'restarts'
  | 'mail'
  | 'siteUrl'
  | 'releaseSources'
  | 'alerts'
  | 'written'
>;

/** A copy, which a reload changes. */
export function liveSettingsOf(config: Config): LiveSettings {
  const { webPage, corsOrigins, limits, signUps, maxAwake, trashDays, inactiveDays, restarts } = config;
  const { mail, siteUrl, releaseSources, alerts, written } = config;
  return {
    webPage,
    corsOrigins,
    limits,
    signUps,
    maxAwake,
    trashDays,
    inactiveDays,
    restarts,
    mail,
    siteUrl,
    releaseSources,
    alerts,
    written,
  };
}

/** The setting of each value that needs a restart. */
const RESTART = {
  dataDir: 'FATHOM_DATA_DIR',
  userDatabasesDir: 'PB_USER_DBS_PATH',
  socketPath: 'FATHOM_SOCKET',
  socketGroup: 'FATHOM_SOCKET_GROUP',
  server: { host: 'SERVER_HOST', port: 'SERVER_PORT' },
  trustedProxies: 'TRUSTED_PROXIES',
  edgeToken: 'EDGE_TOKEN',
  globalPort: 'PB_GLOBAL_PORT',
  bindAddress: 'PB_BIND_ADDRESS',
  publicUrl: 'PB_PUBLIC_URL',
  ports: { base: 'PB_BASE_PORT', range: 'PB_PORT_RANGE' },
  applications: { appDir: 'FATHOM_APP_DIR', applications: 'FATHOM_APPS' },
  binaryPath: 'PB_BINARY_PATH',
  globalVersion: 'PB_GLOBAL_VERSION',
  sandbox: 'PB_SANDBOX',
  metricsDatabases: 'METRICS_DATABASES',
  cgroup: 'FATHOM_CGROUP',
  healthIntervalMs: 'PB_HEALTH_INTERVAL',
  go: { memoryBytes: 'PB_GOMEMLIMIT_MB', processors: 'PB_GOMAXPROCS' },
  diskReserveBytes: 'DISK_RESERVE_MB',
  ownerAccess: { access: 'OWNER_ACCESS', allowedTargets: 'OWNER_ALLOWED_TARGETS' },
  databaseLimits: { memoryMb: 'DATABASE_MEMORY_MB', diskMb: 'DATABASE_DISK_MB' },
  worker: {
    concurrency: 'WORKER_CONCURRENCY',
    pollIntervalMs: 'QUEUE_POLL_INTERVAL',
    allowedTargets: 'QUEUE_ALLOWED_TARGETS',
  },
  eventWebhook: { url: 'EVENT_WEBHOOK_URL', secret: 'EVENT_WEBHOOK_SECRET' },
  tasksDir: 'FATHOM_TASKS_DIR',
  tasksSandbox: 'QUEUE_SANDBOX',
  jwt: {
    secret: 'JWT_SECRET',
    previousSecret: 'JWT_PREVIOUS_SECRET',
    expirationHours: 'JWT_EXPIRATION_HOURS',
  },
  aesMasterKey: 'AES_MASTER_KEY',
  previousAesMasterKey: 'AES_PREVIOUS_MASTER_KEY',
  pbEncryptionKey: 'PB_ENCRYPTION_KEY',
  previousPbEncryptionKey: 'PB_PREVIOUS_ENCRYPTION_KEY',
  admin: { email: 'PB_ADMIN_EMAIL', password: 'PB_ADMIN_PASSWORD' },
  log: { dir: 'LOG_DIR', retentionMs: 'LOG_RETENTION_DAYS', maxBytes: 'LOG_MAX_MB' },
  auditRetentionMs: 'AUDIT_RETENTION_DAYS',
  backups: {
    target: 'BACKUP_TARGET',
    schedule: 'BACKUP_SCHEDULE',
    beforeChanges: 'BACKUP_BEFORE_CHANGES',
    drills: 'BACKUP_DRILLS',
    keep: 'BACKUP_KEEP',
    parallel: 'BACKUP_PARALLEL',
  },
  replica: { target: 'REPLICA', binaryPath: 'LITESTREAM_BINARY_PATH' },
  cluster: {
    endpoints: 'FATHOM_CLUSTER',
    name: 'FATHOM_CLUSTER_NAME',
    node: 'FATHOM_NODE',
    address: 'FATHOM_NODE_ADDRESS',
    leaseSeconds: 'FATHOM_LEASE_SECONDS',
    isFenced: 'FATHOM_FENCE',
    movesPerHour: 'FATHOM_MOVES_PER_HOUR',
    fleetId: 'FATHOM_FLEET_ID',
    ca: 'FATHOM_CLUSTER_CA',
    cert: 'FATHOM_CLUSTER_CERT',
    key: 'FATHOM_CLUSTER_KEY',
    user: 'FATHOM_CLUSTER_USER',
    passwordFile: 'FATHOM_CLUSTER_PASSWORD_FILE',
  },
} as const satisfies {
  // `secretPaths` has no setting of its own: it follows from FATHOM_DATA_DIR.
  [K in Exclude<keyof Config, keyof LiveSettings | 'oauth' | 'secretPaths'>]:
    | Variable
    | { [F in Exclude<keyof Config[K], 'level'>]?: Variable };
};

/** The changed settings that need a restart, in the order of `SETTINGS`. */
export function settingsThatNeedRestart(before: Config, after: Config): Variable[] {
  const changed = new Set<Variable>();
  for (const [key, names] of Object.entries(RESTART)) {
    const [was, is] = [before, after].map((config) => readable(config, config[key as keyof typeof RESTART]));
    if (typeof names === 'string') {
      if (JSON.stringify(was) !== JSON.stringify(is)) changed.add(names);
      continue;
    }
    for (const [field, name] of Object.entries(names)) {
      if (JSON.stringify(was?.[field]) !== JSON.stringify(is?.[field])) changed.add(name);
    }
  }
  return VARIABLES.filter((name) => changed.has(name));
}

/** What a reload applies, for messages: the groups of settings, or single settings of a group. */
export function reloadedSettings(): string[] {
  const groups = Map.groupBy(VARIABLES, (name) => SETTINGS[name].group);
  return [...groups].flatMap(([group, names]) => {
    const reloaded = names.filter((name) => (SETTINGS[name] as Setting).reload === true);
    if (reloaded.length < names.length) return reloaded;
    return [SETTING_GROUPS[group].toLowerCase()];
  });
}

/** A value that can be compared as JSON. A default path follows the data directory, and is no change of its own. */
function readable({ dataDir }: Config, value: unknown): Record<string, unknown> | undefined {
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (ArrayBuffer.isView(part)) return Buffer.from(part as Uint8Array).toString('base64');
    if (typeof part === 'string' && part.startsWith(`${dataDir}/`)) return part.slice(dataDir.length);
    return part;
  });
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
}
