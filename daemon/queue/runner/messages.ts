/** Messages between a worker and the process that runs a handler. */

export interface HandlerError {
  name: string;
  message: string;
  stack: string | null;
  code: string | null;
  /** The outermost first. */
  causes: string[];
  /** A retry would be useless. */
  unrecoverable: boolean;
  /** Least delay before the next attempt, see `parseRetryAfter`. */
  retryAfterMs: number | null;
}

/** The longest delay between two attempts that a handler can request. */
export const MAX_RETRY_AFTER_MS = 7 * 86_400_000;

/** Limits the delay that a handler requests, in milliseconds; null when the value is not a number. */
export function parseRetryAfter(requested: unknown): number | null {
  if (typeof requested !== 'number' || Number.isNaN(requested)) return null;
  return Math.min(Math.max(0, requested), MAX_RETRY_AFTER_MS);
}

/** What handlers of an administrator cannot use. */
export interface HandlerConfinement {
  /** Files and directories. */
  hidden: readonly string[];
  /** Paths in hidden directories that they can use. */
  visible: readonly string[];
  /** Their TMPDIR. Created if it is missing. */
  temporaryDir: string;
}

/** Access to the database of the task's user. */
export interface DatabaseAccess {
  name: string;
  url: string;
  token: string;
  /** Path of its `pb_data`. */
  data_dir: string;
}

export interface WebhookAccess {
  url: string;
  /** Base64 of the key of the signature. */
  secret: string;
}

export interface RunRequest {
  kind: 'run';
  /** URL of the module; its default export is the handler. */
  module: string;
  payload: unknown;
  task: { id: string; type: string; attempt: number; max_attempts: number; epoch: number };
  user: { id: string; email: string; name: string } | null;
  database: DatabaseAccess | null;
  /** Entries of QUEUE_ALLOWED_TARGETS, for built-in handlers that connect to other hosts. */
  allowedTargets: readonly string[];
  /** For `webhook.send`; null for all others. */
  webhook: WebhookAccess | null;
  /** Milliseconds after which the process ends itself, unless a `lease` message extends the time. */
  leaseMs: number;
}

export type ToRunner =
  | RunRequest
  | { kind: 'abort'; reason: string }
  | { kind: 'answer'; call: number; value: unknown }
  | { kind: 'refused'; call: number; message: string };

/** Tells the main thread of a runner to end the process after this time. A later message replaces it. */
export interface LeaseMessage {
  kind: 'lease';
  leaseMs: number;
}

/** File descriptor of the pipe between a worker and the thread. Each line is one JSON message. */
export const TASK_PIPE = 4;

/** Splits chunks of text into lines. An incomplete line waits for the next chunk. */
export function eachLine(onLine: (line: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Calls from a handler to its worker: a new token for its database, or a database for its user. */
export type HostMethod = 'token' | 'provision';

export type FromRunner =
  | { kind: 'ready' }
  /** `result` is JSON text. `answer` is the response of a remote server, for administrators. */
  | { kind: 'done'; result: string; answer?: string }
  | { kind: 'failed'; error: HandlerError; answer?: string }
  | { kind: 'progress'; percent: number; message: string | null }
  | { kind: 'log'; level: LogLevel; text: string }
  | { kind: 'host'; call: number; method: HostMethod };

export function handlerError(
  message: string,
  options: { code?: string; unrecoverable?: boolean; name?: string } = {},
): HandlerError {
  return {
    name: options.name ?? 'Error',
    message,
    stack: null,
    code: options.code ?? null,
    causes: [],
    unrecoverable: options.unrecoverable ?? false,
    retryAfterMs: null,
  };
}
