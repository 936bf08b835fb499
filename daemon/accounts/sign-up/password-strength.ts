import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { modulePath } from '../../base/package.ts';
import { type Clock, runAfter } from '../../base/time/clock.ts';

const ESTIMATOR = modulePath('daemon/accounts/sign-up/password-estimator');
/** The thread ends after this time without a password. */
const IDLE_MS = 60_000;
/** As many as zxcvbn calls safely unguessable. Eight random characters reach it. */
const MIN_GUESSES = 1e8;
/** The rest of a longer password only makes it stronger, and would take time. */
const ESTIMATED_CHARACTERS = 32;

export interface Account {
  password: string;
  email: string;
  name: string;
}

export interface EstimateRequest {
  id: number;
  password: string;
  /** Texts that an attacker would try first. */
  known: readonly string[];
}

export interface Estimate {
  id: number;
  guesses: number;
}

/** What the estimator gets for a new password. */
export function estimateRequestOf({ password, email, name }: Account, id: number): EstimateRequest {
  const [mailbox = '', domain = ''] = email.split('@');
  const known = [email, mailbox, domain, name, ...name.split(' '), ...mailbox.split(/[._+-]/), 'fathom'];
  return {
    id,
    password: Array.from(password).slice(0, ESTIMATED_CHARACTERS).join(''),
    known: known.filter((text) => text.length > 2),
  };
}

/** Says what is wrong with a password and what to do; null if it is strong enough. */
export function judgeGuesses(guesses: number): string | null {
  if (guesses >= MIN_GUESSES) return null;
  return 'Is too easy to guess. Use three or more unusual words, or a random password of a password manager.';
}

/** Estimates the strength of new passwords in a thread. */
export class PasswordStrength {
  readonly #clock: Clock;
  #worker: Worker | null = null;
  #cancelEnd: (() => void) | null = null;
  #lastId = 0;
  #pending = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns what is wrong with a password; null if it is strong enough. */
  async problemOf(account: Account): Promise<string | null> {
    // A program that ends a text there would take a shorter password.
    if (account.password.includes('\0'))
      return 'Has a null character (U+0000). Use letters, digits and marks.';
    this.#lastId += 1;
    const request = estimateRequestOf(account, this.#lastId);
    this.#pending += 1;
    try {
      return judgeGuesses(await this.#estimate(request));
    } finally {
      this.#pending -= 1;
      this.#endWhenIdle();
    }
  }

  async close(): Promise<void> {
    this.#cancelEnd?.();
    await this.#worker?.terminate();
    this.#worker = null;
  }

  async #estimate(request: EstimateRequest): Promise<number> {
    const worker = this.#startWorker();
    const done = new AbortController();
    try {
      const answer = new Promise<number>((resolve) => {
        const listen = ({ id, guesses }: Estimate) => {
          if (id === request.id) resolve(guesses);
        };
        worker.on('message', listen);
        done.signal.addEventListener('abort', () => worker.off('message', listen));
      });
      const ended = once(worker, 'exit', { signal: done.signal }).then(() => {
        throw new Error('the password estimator ended');
      });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread has none
      worker.postMessage(request);
      return await Promise.race([answer, ended]);
    } finally {
      done.abort();
    }
  }

  #startWorker(): Worker {
    this.#cancelEnd?.();
    this.#cancelEnd = null;
    if (this.#worker) return this.#worker;
    const worker = new Worker(ESTIMATOR);
    // Many sign-ups may wait for it at once.
    worker.setMaxListeners(0);
    worker.unref();
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = null;
    });
    this.#worker = worker;
    return worker;
  }

  #endWhenIdle(): void {
    if (this.#pending > 0) return;
    const cancel = new AbortController();
    this.#cancelEnd = () => cancel.abort();
    void runAfter(this.#clock, IDLE_MS, cancel.signal, () => void this.close());
  }
}
