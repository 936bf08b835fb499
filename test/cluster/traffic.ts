import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { NewTask } from '../../shared/api/queue.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { PASSWORD, type Tenant } from '../helpers/fleet-actions.ts';
import { type ClusterEdge, EDGE_DOMAIN } from '../helpers/haproxy.ts';
import type { Acknowledged } from './writer.ts';
import { Attempts } from './writer.ts';

const API = `api.${EDGE_DOMAIN}`;
const SIGN_IN_PAUSE_MS = 1_000;
const TASK_PAUSE_MS = 2_000;
const SIGN_UP_PAUSE_MS = 8_000;
const MOST_ATTEMPTS = 25;

/** Sign-ins, sign-ups and tasks, by the edge. */
export class Traffic {
  readonly signIns: Attempts;
  /** Accounts that signed up; the title is the address. */
  readonly accounts: Acknowledged[] = [];
  /** Ids of tasks. */
  readonly tasks: Acknowledged[] = [];
  readonly #edge: ClusterEdge;
  readonly #others: Attempts[];
  #token: string | null = null;

  constructor(
    edge: ClusterEdge,
    {
      tenant,
      admin,
      filesDir,
      signUps,
    }: { tenant: Tenant; admin: Deployment['admin']; filesDir: string; signUps: number },
  ) {
    this.#edge = edge;
    this.signIns = new Attempts(async (signal) => {
      const answer = await this.#post(
        '/api/v1/auth/login',
        { email: tenant.email, password: PASSWORD },
        { signal },
      );
      return answer.status === 200 ? null : `${answer.status} ${answer.text.slice(0, 200)}`;
    }, SIGN_IN_PAUSE_MS);
    const addTask = new Attempts(async (signal) => {
      const task: Partial<NewTask> = {
        type: 'interval',
        payload: { file: join(filesDir, 'notes.jsonl'), ms: 50 },
        max_attempts: MOST_ATTEMPTS,
      };
      const token = (this.#token ??= await this.#signIn(admin, signal));
      const answer = await this.#post('/api/v1/queue/tasks', task, { signal, token });
      // A session of the last second can be lost.
      if (answer.status === 401) this.#token = null;
      if (answer.status !== 201) return `${answer.status} ${answer.text.slice(0, 200)}`;
      this.tasks.push({ title: (JSON.parse(answer.text) as { id: string }).id, at: performance.now() });
      return null;
    }, TASK_PAUSE_MS);
    const signUp = new Attempts(async (signal) => {
      if (this.accounts.length >= signUps) return null;
      const email = `late-${randomBytes(4).toString('hex')}@example.com`;
      const answer = await this.#post('/api/v1/auth/register', { email, password: PASSWORD }, { signal });
      if (answer.status !== 201) return `${answer.status} ${answer.text.slice(0, 200)}`;
      this.accounts.push({ title: email, at: performance.now() });
      return null;
    }, SIGN_UP_PAUSE_MS);
    this.#others = [addTask, signUp];
  }

  async #signIn(credentials: Deployment['admin'], signal: AbortSignal): Promise<string | null> {
    const { status, text } = await this.#post('/api/v1/auth/login', credentials, { signal });
    return status === 200 ? (JSON.parse(text) as { token: string }).token : null;
  }

  get problems(): string[] {
    return [this.signIns, ...this.#others].flatMap(({ problems }) => problems.slice(0, 3));
  }

  async stop(): Promise<void> {
    await Promise.all([this.signIns, ...this.#others].map((attempts) => attempts.stop()));
  }

  #post(
    path: string,
    body: object,
    { signal, token = null }: { signal: AbortSignal; token?: string | null },
  ) {
    return this.#edge.call(API, path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      signal,
    });
  }
}
