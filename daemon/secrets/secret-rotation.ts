import type { RotationResult, SecretsStatus } from '../../shared/api/secrets.ts';
import { messageOf } from '../../shared/errors.ts';
import type {
  OutdatedRequest,
  ReplaceRequest,
  StoredEnvelope,
  StoredSecrets,
} from '../../shared/hooks/control-plane-routes.ts';
import type { Logger } from '../base/log/log.ts';
import { SingleFlight } from '../base/single-flight.ts';
import type { ControlPlaneClient } from '../control-plane/client.ts';
import { type MasterKeys, prefixOf, rewrap } from '../keys/envelope.ts';

const PAGE = 200;

/**
 * Wraps the data key of every envelope in the control plane with the first master key. Each row is replaced by one
 * statement, if it has not changed since it was read. After an interruption every row is readable with one of the keys, and
 * the next run continues with the rest.
 */
export class SecretRotation {
  readonly #deps: { client: ControlPlaneClient; masterKeys: MasterKeys; log: Logger };
  readonly #runs = new SingleFlight<RotationResult>();
  #running = false;

  constructor(deps: { client: ControlPlaneClient; masterKeys: MasterKeys; log: Logger }) {
    this.#deps = deps;
  }

  /** Concurrent calls share one run and its result. */
  rotate(): Promise<RotationResult> {
    return this.#runs.run('all', () => this.#rotate());
  }

  async status(): Promise<SecretsStatus> {
    const { counts } = await this.#readSecrets();
    const { masterKeys } = this.#deps;
    const configured = new Set(masterKeys.map(({ id }) => id));
    const secrets = counts.map((count) => ({ ...count, opens: configured.has(count.key_id) }));
    return { current_key: masterKeys[0].id, rotating: this.#running, secrets };
  }

  async #rotate(): Promise<RotationResult> {
    const result: RotationResult = { rotated: 0, current: 0, failed: 0 };
    this.#running = true;
    try {
      const { collections, counts } = await this.#readSecrets();
      const [current] = this.#deps.masterKeys;
      for (const { key_id, count } of counts) if (key_id === current.id) result.current += count;
      for (const collection of collections) await this.#rotateCollection(collection, result);
    } finally {
      this.#running = false;
    }
    this.#deps.log.info(result, 'rotated the stored secrets');
    return result;
  }

  async #rotateCollection(collection: string, result: RotationResult): Promise<void> {
    const { masterKeys, log } = this.#deps;
    let after = '';
    for (;;) {
      const page: OutdatedRequest = { after, limit: PAGE, current: prefixOf(masterKeys[0]) };
      const rows = await this.#post<StoredEnvelope[]>(`${collection}/outdated`, page);
      for (const row of rows) {
        after = row.id;
        try {
          if (await this.#rewrap(collection, row)) result.rotated += 1;
        } catch (error) {
          result.failed += 1;
          log.error({ secret: row.belongs_to }, `a secret was not rotated: ${messageOf(error)}`);
        }
      }
      if (rows.length < PAGE) return;
    }
  }

  /** Returns false when the row was deleted or replaced in the meantime. */
  async #rewrap(collection: string, { id, belongs_to, envelope }: StoredEnvelope): Promise<boolean> {
    const fresh = rewrap(this.#deps.masterKeys, envelope, belongs_to);
    const body: ReplaceRequest = { id, old: envelope, fresh };
    return (await this.#post<{ replaced: boolean }>(`${collection}/replace`, body)).replaced;
  }

  #readSecrets(): Promise<StoredSecrets> {
    return this.#deps.client.get('/api/fathom/secrets');
  }

  #post<T>(path: string, body: object): Promise<T> {
    return this.#deps.client.post(`/api/fathom/secrets/${path}`, body);
  }
}
