import { randomBytes } from 'node:crypto';
import PocketBase from 'pocketbase';
import { HOOK_TOKEN_HEADER, hookTokenOf } from '../daemon/keys/hook-token.ts';
import type { Deployment } from '../test/helpers/deployment.ts';

export interface Database {
  name: string;
  url: string;
  port: number;
}

/** Makes users without telling the daemon, and provisions them when asked to, as the sign-in hook does. */
export class FleetUsers {
  readonly #deployment: Deployment;
  readonly #hookToken: string;
  readonly #client: PocketBase;
  #count = 0;

  constructor(deployment: Deployment) {
    this.#deployment = deployment;
    const secret = Buffer.from(deployment.env['JWT_SECRET'] ?? '');
    this.#hookToken = hookTokenOf(secret);
    this.#client = new PocketBase(deployment.globalUrl);
    this.#client.autoCancellation(false);
    this.#client.beforeSend = (url, options) => {
      options.headers = { ...options.headers, [HOOK_TOKEN_HEADER]: this.#hookToken };
      return { url, options };
    };
  }

  /** A user's record, of which the daemon has not heard. */
  async create(): Promise<{ user_id: string; email: string }> {
    if (!this.#client.authStore.isValid) {
      const { email, password } = this.#deployment.admin;
      await this.#client.collection('_superusers').authWithPassword(email, password);
    }
    this.#count += 1;
    const email = `user${this.#count}@example.com`;
    const password = randomBytes(12).toString('hex');
    const record = await this.#client
      .collection('users')
      .create({ email, password, passwordConfirm: password, role: 'user', is_active: true });
    return { user_id: record.id, email };
  }

  /** What the hook of the global PocketBase calls at a sign-in; answers when the database runs. */
  async provision(user: { user_id: string; email: string }): Promise<Database> {
    const response = await fetch(`${this.#deployment.url}/internal/users/signed-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [HOOK_TOKEN_HEADER]: this.#hookToken },
      body: JSON.stringify({ ...user, expires_at_s: null }),
    });
    const answer = (await response.json()) as { database: Database };
    if (!response.ok) throw new Error(`provisioning failed: ${JSON.stringify(answer)}`);
    return answer.database;
  }

  /** Several databases, four at a time. */
  async provisionMany(count: number): Promise<Database[]> {
    const databases: Database[] = [];
    let left = count;
    const worker = async () => {
      while (left > 0) {
        left -= 1;
        databases.push(await this.provision(await this.create()));
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    return databases;
  }
}
