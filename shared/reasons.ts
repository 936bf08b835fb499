/**
 * How a failure is retried.
 *
 * - `on_request`: only a start by a user, an administrator or the daemon's own start tries again.
 * - `limited`: without a limit when the instance has served before, otherwise RESTART_MAX_ATTEMPTS times in a row.
 * - `few`: up to three times in a row, because a restart alone cannot fix the cause.
 * - `until_gone`: without a limit, because the cause is outside of the instance.
 */
export type RetryRule = 'on_request' | 'limited' | 'few' | 'until_gone';

export interface ReasonRule {
  /** For one line of the console; null where the phase or the exit already says it. */
  text: string | null;
  /** What happened, for the documentation. */
  cause: string;
  retry: RetryRule;
  /** What to do. */
  remedy: string;
  /** The page of `docs/` with the steps. */
  page?: string;
  /** A user database keeps running without its new migrations. */
  lacksMigrations?: true;
}

/** Every reason why an instance does not run normally: the supervisor, the doctor, the console and `docs/states.md` use it. */
export const PHASE_REASONS = {
  requested: {
    text: null,
    cause: 'an administrator, the owner or the end of the daemon stopped the instance',
    retry: 'on_request',
    remedy: 'nothing',
  },
  idle: {
    text: 'not used',
    cause:
      'the database was not used for SLEEP_AFTER, or not yet since it was created or the daemon was started, so it sleeps',
    retry: 'on_request',
    remedy: 'nothing; the next request, sign-in or task wakes it',
    page: 'operations.md#sleep',
  },
  awake_limit: {
    text: 'more databases than MAX_AWAKE',
    cause: 'more databases than MAX_AWAKE were awake, and this one was used least recently, so it sleeps',
    retry: 'on_request',
    remedy: 'nothing; the next request, sign-in or task wakes it',
    page: 'operations.md#sleep',
  },
  host_memory: {
    text: 'memory of the host is short',
    cause: 'the memory of the host was short, and the database was not in use, so it sleeps',
    retry: 'on_request',
    remedy:
      'nothing for the database, which the next request wakes; add memory to the host or lower SLEEP_AFTER',
    page: 'operations.md#sleep',
  },
  archived: {
    text: 'archived',
    cause:
      'the database was archived: its files are in a backup and not on the disk. A request while no daemon runs gets status 503',
    retry: 'on_request',
    remedy:
      'nothing; the next request, sign-in or task brings it back, and so does an administrator who starts it',
    page: 'operations.md#archived-databases',
  },
  archive_unavailable: {
    text: 'archived, and its backup cannot be read',
    cause: 'the files of an archived database do not come back: its backup cannot be read now',
    retry: 'until_gone',
    remedy:
      "let the daemon read BACKUP_TARGET again; a damaged backup needs 'fathomd backups restore NAME --backup ID' with another one",
    page: 'operations.md#archived-databases',
  },
  exited: {
    text: null,
    cause: 'the process ended by itself; the message has the last lines of its log',
    retry: 'limited',
    remedy: "read its log: 'fathomd logs NAME'",
  },
  killed: {
    text: null,
    cause: 'a signal ended the process',
    retry: 'limited',
    remedy: "after SIGKILL, look for the out-of-memory killer in 'dmesg'",
  },
  over_memory: {
    text: 'used more memory than its limit',
    cause: 'the instance used more memory than its limit, so the daemon or the kernel ended the process',
    retry: 'limited',
    remedy:
      "find the requests in 'fathomd logs NAME --source requests', or raise the limit with 'fathomd databases set NAME --memory-mb N'",
    page: 'operations.md#limits-of-an-instance',
  },
  sign_ins_failed: {
    text: 'passwords are guessed',
    cause:
      'many sign-ins failed at the database, so the daemon restarted it with limits per account and network',
    retry: 'limited',
    remedy: 'nothing; the owner can sign in through the API in any case',
    page: 'security.md#sign-in',
  },
  over_uploads: {
    text: 'unfinished uploads took too much space',
    cause:
      'unfinished uploads took too much space for temporary files, so the daemon ended them by a restart with limits of uploads',
    retry: 'limited',
    remedy: 'find the sender in the log of the reverse proxy; the limits end a day after the last attack',
    page: 'plans.md#temporary-files',
  },
  crashing: {
    text: 'crashes again and again',
    cause:
      'the instance runs, but its process ended three times or more without ten minutes of running in between; the message ' +
      'has the rate and the last cause',
    retry: 'limited',
    remedy: "read its log: 'fathomd logs NAME'",
    page: 'troubleshooting.md#a-database-that-crashes-again-and-again',
  },
  provision_failed: {
    text: 'database could not be created',
    cause: 'a new database could not be created',
    retry: 'on_request',
    remedy: "fix the cause in the message, then run 'fathomd databases start NAME'",
  },
  spawn_failed: {
    text: 'process could not be started',
    cause: 'the process could not be started',
    retry: 'limited',
    remedy: "read the message, and the other findings of 'fathomd doctor'",
  },
  start_timeout: {
    text: 'did not become ready in time',
    cause: 'the instance did not answer within two minutes',
    retry: 'limited',
    remedy: "a migration is long or the host is overloaded: read its log, and check 'uptime'",
  },
  unresponsive: {
    text: null,
    cause: 'three probes in a row failed, so the daemon ended the process',
    retry: 'limited',
    remedy: "check 'dmesg', 'iostat' and its log",
  },
  migration_failed: {
    text: 'migration failed',
    cause: 'a migration failed; the message has file, line and error. A user database runs without it',
    retry: 'few',
    remedy: "correct the file, then run 'fathomd databases start NAME'",
    lacksMigrations: true,
  },
  migration_broken: {
    text: 'migration cannot be loaded',
    cause:
      'a migration does not load, for example because of a syntax error. A user database runs without it',
    retry: 'few',
    remedy: "correct the file, then run 'fathomd databases start NAME'",
    lacksMigrations: true,
  },
  hook_broken: {
    text: 'hook is broken',
    cause: 'PocketBase cannot run a hook, for example because of a syntax error',
    retry: 'few',
    remedy: "correct the file, then run 'fathomd databases start NAME'",
  },
  app_missing: {
    text: 'an application is missing',
    cause:
      'an application whose hooks the database needs is missing, or cannot be used; a database that ran on this host keeps the hooks that it had',
    retry: 'until_gone',
    remedy:
      "put the application into FATHOM_APP_DIR; to run the database without it, 'fathomd apps remove APP NAME'",
    page: 'applications.md#applications-that-are-missing',
  },
  database_corrupt: {
    text: 'database is corrupt',
    cause: '`data.db` or its WAL is damaged',
    retry: 'few',
    remedy: "run 'fathomd backups restore NAME', which also keeps the damaged data",
    page: 'troubleshooting.md#a-damaged-database',
  },
  encryption_key_wrong: {
    text: 'wrong encryption key',
    cause: 'the settings cannot be decrypted',
    retry: 'few',
    remedy: 'set PB_PREVIOUS_ENCRYPTION_KEY to the key with which it ran before, then restart the daemon',
    page: 'secrets.md#pb_encryption_key',
  },
  data_dir_missing: {
    text: 'data directory is missing',
    cause: 'the data of the instance is gone',
    retry: 'until_gone',
    remedy:
      "put the data into place, or run 'fathomd backups restore NAME'; data that was only away needs nothing",
    page: 'troubleshooting.md#data-that-is-gone',
  },
  data_dir_replaced: {
    text: 'its files were replaced',
    cause: 'another `data.db` is in its place, or `auxiliary.db` or a WAL was replaced or removed',
    retry: 'limited',
    remedy: 'nothing: the daemon restarted the instance with the files that are there now',
  },
  owned_elsewhere: {
    text: 'another node owns it',
    cause: 'another node of the cluster owns the database, and this one has a copy of it',
    retry: 'until_gone',
    remedy:
      "use it on its node. When the server of that node is off and stays off, 'fathomd nodes remove NODE' frees its databases",
    page: 'cluster.md#owners',
  },
  moving: {
    text: 'it moves to another node',
    cause:
      'an administrator moves it to another node of the cluster. That node restores its replica and compares it',
    retry: 'until_gone',
    remedy: 'nothing: it starts on the other node, or here again when that node does not get the same bytes',
    page: 'cluster.md#move-a-database',
  },
  cluster_unreachable: {
    text: 'the cluster does not answer',
    cause: 'etcd does not answer, and this daemon has not seen yet that this node owns the database',
    retry: 'until_gone',
    remedy: "let the daemon reach etcd; 'fathomd doctor' shows which of its servers answer",
    page: 'cluster.md#without-etcd',
  },
  replica_unavailable: {
    text: 'its replica cannot be restored',
    cause: 'another node owned the database last, and its replica cannot be restored here',
    retry: 'until_gone',
    remedy:
      "correct the cause that the message names; 'fathomd doctor' checks Litestream. It is tried again. The files that were here are beside pb_data",
    page: 'cluster.md#takeover',
  },
  volume_missing: {
    text: 'its disk is not mounted',
    cause: 'the disk with its data is not mounted',
    retry: 'until_gone',
    remedy: 'mount it',
  },
  disk_full: {
    text: 'disk is full',
    cause: 'the disk has no space',
    retry: 'until_gone',
    remedy: 'free some space',
  },
  over_disk: {
    text: 'over its disk limit',
    cause: 'the database has reached its disk limit, so the instance refuses writes',
    retry: 'until_gone',
    remedy: "delete records or files, or raise the limit: 'fathomd databases set NAME --disk-mb N'",
    page: 'plans.md#disk',
  },
  disk_reserve: {
    text: 'held: the disk of the host is nearly full',
    cause: 'the free space of the host is below the disk reserve, so databases that write refuse writes',
    retry: 'until_gone',
    remedy: "free some space: 'fathomd databases usage' shows the largest databases",
    page: 'operations.md#disk-reserve',
  },
  near_disk_limit: {
    text: 'near its disk limit',
    cause: 'the database uses more than 80 % of its disk limit',
    retry: 'until_gone',
    remedy: "delete records or files, or raise the limit: 'fathomd databases set NAME --disk-mb N'",
    page: 'plans.md#disk',
  },
  read_only: {
    text: 'file system is read-only',
    cause: 'the file system accepts no writes',
    retry: 'until_gone',
    remedy: "read 'dmesg', then run 'mount -o remount,rw' or repair the file system",
    page: 'troubleshooting.md#a-read-only-file-system',
  },
  permission_denied: {
    text: 'permission denied',
    cause: 'the user of the daemon cannot read and write the files',
    retry: 'until_gone',
    remedy: 'the message names the file, its owner and mode, and the command that corrects it',
  },
  binary_missing: {
    text: 'PocketBase binary is missing',
    cause:
      'the PocketBase executable is gone, or the version that the database is pinned to is not installed',
    retry: 'until_gone',
    remedy:
      "run the command in the message: 'fathomd pocketbase install VERSION' for a pinned database, else 'npm ci'",
    page: 'upgrades.md#a-version-per-database',
  },
  binary_changed: {
    text: 'PocketBase binary was changed',
    cause: 'the executable is not the one that the daemon started with',
    retry: 'until_gone',
    remedy:
      "restore it, or restart the daemon to use the new one; for a pinned database, run 'fathomd pocketbase install VERSION'",
  },
  version_refused: {
    text: 'PocketBase version is refused',
    cause:
      'the database is pinned to a version that Fathom does not run, or that may not read what the version that ran last has written',
    retry: 'few',
    remedy: "pin it to another version with 'fathomd databases pin NAME VERSION'",
    page: 'upgrades.md#a-version-per-database',
  },
  secret_undecryptable: {
    text: 'wrong master key',
    cause: 'the instance runs, but the master key cannot decrypt its stored secret',
    retry: 'limited',
    remedy: 'set AES_MASTER_KEY or AES_PREVIOUS_MASTER_KEY to the former key and restart the daemon',
  },
  out_of_files: {
    text: 'no file descriptors left',
    cause: 'the instance or the daemon has no free file descriptors',
    retry: 'until_gone',
    remedy: 'raise LimitNOFILE and restart the daemon',
  },
  data_dir_locked: {
    text: 'data directory is locked',
    cause: 'another process uses the directory',
    retry: 'until_gone',
    remedy: "end the process that 'fuser user_dbs/NAME/lock' names",
  },
  port_in_use: {
    text: 'address in use',
    cause: 'another process uses the port',
    retry: 'until_gone',
    remedy: 'end that process',
  },
  ports_exhausted: {
    text: 'no free port',
    cause: 'all ports are used',
    retry: 'until_gone',
    remedy: 'raise PB_PORT_RANGE and restart the daemon, or delete databases',
  },
} as const satisfies Readonly<Record<string, ReasonRule>>;

export type PhaseReasonCode = keyof typeof PHASE_REASONS;

export const PHASE_REASON_CODES = Object.keys(PHASE_REASONS) as [PhaseReasonCode, ...PhaseReasonCode[]];

export function ruleOf(code: PhaseReasonCode): ReasonRule {
  return PHASE_REASONS[code];
}

/** The cause without details of the host, for owners. */
export function causeFor(code: PhaseReasonCode): string {
  const { text, cause } = ruleOf(code);
  return text ?? cause.replace(/;.*$/, '');
}

/** The instance runs without its new migrations. */
export function lacksMigrations(reason: { code: PhaseReasonCode } | null): boolean {
  return reason !== null && ruleOf(reason.code).lacksMigrations === true;
}
