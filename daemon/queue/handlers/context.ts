import type PocketBase from 'pocketbase';

/** What a handler gets besides its payload. */
export interface TaskContext {
  /** Signed in at the database of the task's user as superuser; null for a task of nobody. */
  database: PocketBase | null;
  user: { id: string; email: string; name: string } | null;
  task: { id: string; type: string; attempt: number; max_attempts: number; epoch: number };
  /** Aborted when the task is cancelled, out of time, or given back. */
  signal: AbortSignal;
  /** @param percent from 0 to 100 */
  progress: (percent: number, message?: string) => void;
  log: ((text: unknown) => void) & Record<'debug' | 'info' | 'warn' | 'error', (text: unknown) => void>;
  /** Thrown where trying again would be useless. */
  UnrecoverableError: new (
    message: string,
  ) => Error;
}

/** What only Fathom's own handlers are given. */
export interface OwnTaskContext extends TaskContext {
  /** `pb_data` of the user's database. */
  dataDir: string | null;
  provision: () => Promise<{ name: string }>;
  /** Keeps what the other side answered, which only administrators see, beside the result or the error. */
  keepAnswer: (text: string) => void;
  /** Entries of QUEUE_ALLOWED_TARGETS. */
  allowedTargets: readonly string[];
}
