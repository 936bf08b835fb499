import { Agent, type RequestOptions, request } from 'node:http';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { HOOK_TOKEN_HEADER } from '../security/hook-token.ts';

export interface HookClientOptions {
  /** Of the global PocketBase. */
  url: string;
  hookToken: string;
}

/** Longer than any write of PocketBase waits for the others before it. */
const TIMEOUT_MS = 20_000;

/**
 * The queue's operations at the global PocketBase (`pb_hooks/global/lib/queue*.js`). Plain `node:http` over kept
 * connections: one such call per task is most of what a short task costs.
 */
export class HookClient {
  readonly #target: RequestOptions;
  readonly #headers: Record<string, string>;
  readonly #agent = new Agent({ keepAlive: true });

  constructor({ url, hookToken }: HookClientOptions) {
    const { hostname, port } = new URL(url);
    // A bracketed IPv6 address stands bare here.
    const host = hostname.replace(/^\[|\]$/g, '');
    this.#target = { agent: this.#agent, hostname: host, port, method: 'POST', timeout: TIMEOUT_MS };
    this.#headers = { 'content-type': 'application/json', [HOOK_TOKEN_HEADER]: hookToken };
  }

  /** @throws FathomError `control_plane.unavailable` when nobody knows whether it was done, `internal` when refused */
  call<T>(operation: string, body: object): Promise<T> {
    const text = JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) =>
        reject(
          new FathomError(
            'control_plane.unavailable',
            `the global PocketBase does not answer the queue: ${messageOf(error)}`,
            { cause: error },
          ),
        );
      const call = request(
        {
          ...this.#target,
          path: `/api/fathom/queue/${operation}`,
          headers: { ...this.#headers, 'content-length': Buffer.byteLength(text) },
        },
        (response) => {
          let answer = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => {
            answer += part;
          });
          // Also when it is cut off.
          response.once('error', fail);
          response.once('end', () => {
            if (response.statusCode === 200) {
              resolve(JSON.parse(answer) as T);
              return;
            }
            reject(
              new FathomError(
                'internal',
                `the queue's '${operation}' was refused with ${response.statusCode}: ${answer.slice(0, 300)}`,
              ),
            );
          });
        },
      );
      call.once('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
      call.once('error', fail);
      call.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
