import { connectHost } from '../../shared/host.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { type InstanceAnswer, InstanceHttp, type InstanceRequest } from './instance-http.ts';
import type { AwakeDatabase } from './own-database.ts';
import { noAccount, OwnerTokens } from './owner-tokens.ts';

/** Sends requests to databases with the rights of their owners. */
export class OwnerHttp implements Disposable {
  readonly #http: InstanceHttp;
  readonly #tokens: OwnerTokens;

  /** @param maxSockets connections to one database */
  constructor(deps: { clock: Clock; log: Logger }, maxSockets: number) {
    this.#http = new InstanceHttp(deps.clock, maxSockets);
    this.#tokens = new OwnerTokens(deps);
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  /** @throws FathomError the errors of `InstanceHttp.send` and `OwnerTokens.of` */
  async send({ entry, port }: AwakeDatabase, request: InstanceRequest): Promise<InstanceAnswer> {
    const host = connectHost(entry.runner.spec.host);
    const attempt = async () => {
      const authorization = `Bearer ${await this.#tokens.of(entry)}`;
      return this.#http.send(host, port, { ...request, headers: { ...request.headers, authorization } });
    };
    const answer = await attempt();
    if (answer.status !== 401) return answer;
    // The keys of the account have changed, as with a new password.
    this.#tokens.forget(entry);
    const second = await attempt();
    if (second.status === 401) throw noAccount(entry.row.name);
    return second;
  }
}
