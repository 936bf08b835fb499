/** What a worker and the process that runs a handler tell each other. */

export interface HandlerError {
  name: string;
  message: string;
  stack: string | null;
  code: string | null;
  /** What led to it, the outermost first. */
  causes: string[];
  /** Trying again would be useless. */
  unrecoverable: boolean;
  /** Not before that many milliseconds, see `retryAfterOf`. */
  retryAfterMs: number | null;
}

/** The longest wait between two attempts, whatever a handler asks for. */
export const MAX_RETRY_AFTER_MS = 7 * 86_400_000;

/** What a handler asks for as a number of milliseconds that can be kept; null when it is none. */
export function retryAfterOf(asked: unknown): number | null {
  if (typeof asked !== 'number' || Number.isNaN(asked)) return null;
  return Math.min(Math.max(0, asked), MAX_RETRY_AFTER_MS);
}

/** Access to the database of the task's user. */
export interface DatabaseAccess {
  name: string;
  url: string;
  token: string;
  /** Its `pb_data`. */
  data_dir: string;
}

export interface RunRequest {
  kind: 'run';
  /** URL of the module; its default export is the handler. */
  module: string;
  payload: unknown;
  task: { id: string; type: string; attempt: number; max_attempts: number; epoch: number };
  user: { id: string; email: string; name: string } | null;
  database: DatabaseAccess | null;
  /** Entries of QUEUE_ALLOWED_TARGETS, for handlers of Fathom that connect to others. */
  allowedTargets: readonly string[];
  /** Milliseconds after which the process ends itself, unless a `lease` message says otherwise. */
  leaseMs: number;
}

export type ToRunner =
  | RunRequest
  | { kind: 'abort'; reason: string }
  | { kind: 'answer'; call: number; value: unknown }
  | { kind: 'refused'; call: number; message: string };

/** To the main thread of a runner: when it has to end itself, unless this comes again. */
export interface LeaseNews {
  kind: 'lease';
  leaseMs: number;
}

/** The pipe between a worker and the thread: one JSON text a line. */
export const TASK_PIPE = 4;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a handler may ask of its worker: a new token for its database, or a database for its user. */
export type HostMethod = 'token' | 'provision';

export type FromRunner =
  | { kind: 'ready' }
  /** `result` is JSON text. `answer`: what the other side said, for administrators. */
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
