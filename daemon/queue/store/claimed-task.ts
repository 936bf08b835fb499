import type { Task } from '../../../shared/api/queue.ts';

/** A task as the claim hands it to a worker. */
export interface ClaimedTask {
  id: string;
  type: string;
  payload: unknown;
  /** What is secret of the payload, in an envelope; null when nothing is. */
  sealed: string | null;
  /** Counts from 1. */
  attempt: number;
  max_attempts: number;
  timeout_s: number;
  /** Of the lease: grows with every claim, so that an older holder is told from this one. */
  epoch: number;
  claimed_at: string;
  created: string;
  user: { id: string; email: string; name: string } | null;
}

/** How an attempt ended, as the control plane is told. `error` is the JSON text of an `AttemptError`. */
export type Outcome =
  | { kind: 'done'; result: string; answer?: string }
  | { kind: 'retry'; error: string; signature: string; answer?: string; delay_ms: number }
  | { kind: 'dead'; error: string; signature: string; answer?: string }
  | { kind: 'cancelled' }
  /** Given back without counting as an attempt. */
  | { kind: 'returned' };

export interface ClaimAnswer {
  task: ClaimedTask | null;
  /** Milliseconds until the next task is due, null when none is waiting for its time. */
  due_in_ms: number | null;
}

export interface SettleAnswer extends ClaimAnswer {
  /** False when the lease had been lost: nothing was changed then. */
  accepted: boolean;
}

/** The new task, or the unfinished one that has its key; none for an unknown user. */
export interface AddedTask {
  created: boolean;
  task: Task | null;
}

export interface AddAnswer extends ClaimAnswer {
  added: AddedTask;
}
