/**
 * Every error that the daemon reports has a code from this table. `status` is the HTTP status, `exit` the exit code of
 * a command (from sysexits(3) where one fits).
 */
export const ERROR_CODES = {
  'request.invalid': { status: 400, exit: 2, title: 'The request is not valid' },
  'request.method_not_allowed': { status: 405, exit: 2, title: 'The path does not take this method' },
  'request.unsupported_type': { status: 415, exit: 2, title: 'The request body is not JSON' },
  'request.too_large': { status: 413, exit: 2, title: 'The request body is too large' },
  'auth.required': { status: 401, exit: 77, title: 'Sign in first' },
  'auth.failed': { status: 401, exit: 77, title: 'E-mail or password is wrong' },
  'auth.forbidden': { status: 403, exit: 77, title: 'Not allowed' },
  'auth.email_taken': { status: 409, exit: 1, title: 'This e-mail address cannot be registered' },
  'sign_up.closed': { status: 403, exit: 77, title: 'Sign-ups are closed' },
  'invitation.required': { status: 403, exit: 77, title: 'An invitation is required' },
  'invitation.invalid': { status: 403, exit: 77, title: 'The invitation is not valid' },
  'databases.limit_reached': { status: 503, exit: 75, title: 'There is no room for another database' },
  'database.deleted': { status: 403, exit: 77, title: 'The database was deleted' },
  'address.unverified': { status: 403, exit: 77, title: 'The e-mail address is not verified' },
  'link.invalid': { status: 400, exit: 1, title: 'The link is not valid' },
  'mail.failed': { status: 502, exit: 69, title: 'The mail cannot be sent' },
  not_found: { status: 404, exit: 1, title: 'Not found' },
  conflict: { status: 409, exit: 1, title: 'The state does not allow this' },
  'limit.reached': { status: 409, exit: 1, title: 'A limit of the plan is reached' },
  rate_limited: { status: 429, exit: 75, title: 'Too many requests' },
  'config.invalid': { status: 500, exit: 78, title: 'The configuration is not valid' },
  'config.exists': { status: 409, exit: 73, title: 'The file exists' },
  'data_dir.unusable': { status: 500, exit: 73, title: 'The data directory cannot be used' },
  'data_dir.locked': { status: 500, exit: 75, title: 'Another daemon uses this data directory' },
  'binary.unusable': { status: 500, exit: 78, title: 'The PocketBase binary cannot be used' },
  'binary.download': { status: 502, exit: 69, title: 'PocketBase cannot be downloaded' },
  'server.port_in_use': { status: 500, exit: 69, title: 'The port is in use' },
  'control_plane.unavailable': { status: 503, exit: 69, title: 'The global PocketBase does not answer' },
  'cluster.unavailable': { status: 503, exit: 69, title: 'The cluster does not answer' },
  'daemon.unreachable': { status: 503, exit: 69, title: 'The daemon does not answer' },
  'daemon.starting': { status: 503, exit: 75, title: 'The daemon is starting' },
  'ports.exhausted': { status: 503, exit: 75, title: 'No free port' },
  'instance.failed': { status: 502, exit: 70, title: 'The instance does not run' },
  'instance.not_running': { status: 409, exit: 1, title: 'The instance is not running' },
  'database.unavailable': { status: 503, exit: 75, title: 'The database cannot be used now' },
  'database.failed': { status: 502, exit: 70, title: 'The database did not answer as expected' },
  'database.full': { status: 507, exit: 75, title: 'The database takes no new data' },
  'application.missing': { status: 409, exit: 1, title: 'The database does not have this application' },
  'provision.failed': { status: 502, exit: 70, title: 'The database could not be provisioned' },
  missing_archives: { status: 409, exit: 1, title: 'Archived databases are not on the target' },
  'backup.failed': { status: 502, exit: 70, title: 'The backup cannot be made or used' },
  'secret.undecryptable': { status: 500, exit: 78, title: 'A stored secret cannot be decrypted' },
  internal: { status: 500, exit: 70, title: 'Internal error' },
} as const satisfies Record<string, { status: number; exit: number; title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface FieldError {
  path: string;
  message: string;
  /** For programs. */
  code?: string;
}

/** An error that the user can act on: `message` says what failed, why, and what to do. */
export class FathomError extends Error {
  override readonly name = 'FathomError';
  readonly code: ErrorCode;
  readonly fields: readonly FieldError[];
  /** Other things that look wrong and may be the cause. */
  readonly warnings: readonly string[];
  /** Seconds after which a client should try again; null when it is not known. */
  readonly retryAfterS: number | null;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      cause?: unknown;
      fields?: readonly FieldError[];
      warnings?: readonly string[];
      retryAfterS?: number | null;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fields = options.fields ?? [];
    this.warnings = options.warnings ?? [];
    this.retryAfterS = options.retryAfterS ?? null;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isOfSchema(error) ? describeIssues(error.issues) : error.message;
}

/** Why a schema refuses a part of a value. */
interface Issue {
  path: readonly PropertyKey[];
  message: string;
}

const MAX_ISSUES = 5;
/** Names in a path can be texts of a client. */
const MAX_PATH = 200;

/** The message of an error of zod is JSON with all its details. Clients, which have no zod, use this module too. */
function isOfSchema(error: Error): error is Error & { issues: readonly Issue[] } {
  return 'issues' in error && Array.isArray(error.issues) && /^\$?Zod\w*Error$/.test(error.name);
}

function describeIssues(issues: readonly Issue[]): string {
  const described = issues.slice(0, MAX_ISSUES).map(({ path, message }) => {
    const where = path.join('.').slice(0, MAX_PATH);
    return where === '' ? message : `${where}: ${message}`;
  });
  return described.join(' ');
}
