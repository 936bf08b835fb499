import type PocketBase from 'pocketbase';
import type { WebhookAccess } from '../runner/messages.ts';

/** The second argument of a handler. */
export interface TaskContext {
  /** A client of the user's database, signed in as superuser; null for a task without a user. */
  database: PocketBase | null;
  user: { id: string; email: string; name: string } | null;
  task: { id: string; type: string; attempt: number; max_attempts: number; epoch: number };
  /** Aborted when the task is cancelled, times out, or is given back. */
  signal: AbortSignal;
  /** @param percent from 0 to 100 */
  progress: (percent: number, message?: string) => void;
  log: ((text: unknown) => void) & Record<'debug' | 'info' | 'warn' | 'error', (text: unknown) => void>;
  /** Throw this when a retry would be useless. */
  UnrecoverableError: new (
    message: string,
  ) => Error;
}

/** The second argument of built-in handlers. */
export interface BuiltInTaskContext extends TaskContext {
  /** `pb_data` of the user's database. */
  dataDir: string | null;
  provision: () => Promise<{ name: string }>;
  /** Stores the response of a remote server, which only administrators see. */
  keepAnswer: (text: string) => void;
  /** Entries of QUEUE_ALLOWED_TARGETS. */
  allowedTargets: readonly string[];
  /** Where events are sent, for `webhook.send` only; null without EVENT_WEBHOOK_URL. */
  webhook: WebhookAccess | null;
}
