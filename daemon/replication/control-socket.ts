import { request } from 'node:http';
import { z } from 'zod';

/** A final sync and the wait for a lock of the database included. */
const TIMEOUT_MS = 10_000;

/** The target is asked what it has. */
const OPEN_TIMEOUT_S = 3;

const listSchema = z.object({
  databases: z.array(z.object({ path: z.string(), last_sync_at: z.string().optional() })),
});

export type ReplicatedDatabase = z.infer<typeof listSchema>['databases'][number];

/** An error that Litestream answers with. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** The control socket of Litestream. Every method throws an Error when Litestream does not answer in time. */
export class ControlSocket {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async isReady(): Promise<boolean> {
    try {
      await this.#ask('GET', '/info');
      return true;
    } catch {
      return false;
    }
  }

  async list(): Promise<ReplicatedDatabase[]> {
    return listSchema.parse(await this.#ask('GET', '/list')).databases;
  }

  /** Begins the replication of a file. */
  async register(path: string, replicaUrl: string): Promise<void> {
    await this.#ask('POST', '/register', { path, replica_url: replicaUrl });
  }

  /** Reads a file that was registered just now: Litestream itself does so a second later. */
  async open(path: string): Promise<void> {
    await this.#ask('POST', '/sync', { path, timeout: OPEN_TIMEOUT_S });
  }

  /** Sends what is left and closes the file. @throws Refused when something was not sent: the file is closed too */
  async unregister(path: string): Promise<void> {
    await this.#ask('POST', '/unregister', { path, timeout: TIMEOUT_MS / 1000 - 2 });
  }

  #ask(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath: this.#path,
          method,
          path,
          headers: { 'content-type': 'application/json', connection: 'close' },
          signal: AbortSignal.timeout(TIMEOUT_MS),
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => {
            text += part;
          });
          response.on('error', reject);
          response.on('end', () => {
            try {
              const answer = JSON.parse(text) as { error?: unknown };
              if (response.statusCode === 200) resolve(answer);
              else reject(new Refused(String(answer.error)));
            } catch (error) {
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          });
        },
      );
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
