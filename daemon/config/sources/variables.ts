/** Generated on the first start where they are set nowhere, and by `fathomd init`. */
export const GENERATED_SECRETS = [
  'AES_MASTER_KEY',
  'JWT_SECRET',
  'PB_ENCRYPTION_KEY',
  'PB_ADMIN_PASSWORD',
] as const;

export type GeneratedSecret = (typeof GENERATED_SECRETS)[number];

/** Variables whose values are never shown, not even wrong ones. */
export const SECRET_VARIABLES: ReadonlySet<string> = new Set([
  ...GENERATED_SECRETS,
  'JWT_PREVIOUS_SECRET',
  'AES_PREVIOUS_MASTER_KEY',
  'PB_PREVIOUS_ENCRYPTION_KEY',
  'GOOGLE_CLIENT_SECRET',
  'GITHUB_CLIENT_SECRET',
  'OIDC_CLIENT_SECRET',
]);

/** Every variable that the configuration reads. */
export const VARIABLES = [
  ...GENERATED_SECRETS,
  'JWT_PREVIOUS_SECRET',
  'AES_PREVIOUS_MASTER_KEY',
  'PB_PREVIOUS_ENCRYPTION_KEY',
  'PB_ADMIN_EMAIL',
  'FATHOM_DATA_DIR',
  'PB_USER_DBS_PATH',
  'FATHOM_SOCKET',
  'FATHOM_SOCKET_GROUP',
  'SERVER_HOST',
  'SERVER_PORT',
  'PB_GLOBAL_PORT',
  'PB_BIND_ADDRESS',
  'PB_PUBLIC_URL',
  'PB_BASE_PORT',
  'PB_PORT_RANGE',
  'FATHOM_APP_DIR',
  'FATHOM_APPS',
  'PB_BINARY_PATH',
  'PB_HEALTH_INTERVAL',
  'WORKER_CONCURRENCY',
  'QUEUE_POLL_INTERVAL',
  'QUEUE_ALLOWED_TARGETS',
  'FATHOM_TASKS_DIR',
  'JWT_EXPIRATION_HOURS',
  'CORS_ORIGINS',
  'RATE_LIMIT_PER_MINUTE',
  'SIGN_IN_FAILURES_PER_ACCOUNT',
  'SIGN_IN_FAILURES_PER_ADDRESS',
  'SIGN_UPS_PER_ADDRESS',
  'TRUSTED_PROXIES',
  'LOG_LEVEL',
  'LOG_DIR',
  'LOG_RETENTION_DAYS',
  'LOG_MAX_MB',
  'GOOGLE_CLIENT_ID',
  'GOOGLE_CLIENT_SECRET',
  'GITHUB_CLIENT_ID',
  'GITHUB_CLIENT_SECRET',
  'OIDC_CLIENT_ID',
  'OIDC_CLIENT_SECRET',
  'OIDC_AUTH_URL',
  'OIDC_TOKEN_URL',
  'OIDC_USER_INFO_URL',
  'OIDC_DISPLAY_NAME',
] as const;

export type Variable = (typeof VARIABLES)[number];

/** Read by the command line and the console, not by the configuration; here so that they are no typos. */
export const OTHER_VARIABLES: readonly string[] = ['FATHOM_TOKEN', 'FATHOM_OWNS_DAEMON', 'FATHOM_ENV_FILE'];
