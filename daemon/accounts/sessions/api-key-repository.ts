import type { RecordModel } from 'pocketbase';
import type { ApiKey } from '../../../shared/api/accounts/api-keys.ts';
import type { Page, PageRequest } from '../../../shared/api/contract/page.ts';
import type { KeyUsedRequest } from '../../../shared/hooks/control-plane-routes.ts';
import type { ControlPlaneClient } from '../../control-plane/client.ts';
import { deleteRecord, findRecord, listRecords } from '../../control-plane/records.ts';
import { toIsoTime, toPocketBaseDate } from '../../pocketbase/data/sqlite.ts';
import { permissionsIn, rolesIn } from './api-keys.ts';

export type NewApiKey = Omit<ApiKey, 'id' | 'last_used_at' | 'created'> & {
  hash: string;
};

/** API keys in the global PocketBase. */
export class ApiKeyRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  async create({ user_id, parent_id, expires_at, ...key }: NewApiKey): Promise<ApiKey> {
    const body = { ...key, user: user_id, parent: parent_id ?? '', expires_at: expires_at ?? '' };
    return toApiKey(await this.#client.call((client) => client.collection('api_keys').create(body)));
  }

  async find(id: string): Promise<ApiKey | null> {
    const record = await findRecord(this.#client, 'api_keys', id);
    return record && toApiKey(record);
  }

  /** Lists the keys of one user, or of all users (null). */
  list(user: string | null, page: PageRequest): Promise<Page<ApiKey>> {
    return this.#client.call((client) =>
      listRecords(
        client.collection('api_keys'),
        page,
        {
          sort: '-created',
          ...(user === null ? {} : { filter: client.filter('user = {:user}', { user }) }),
        },
        toApiKey,
      ),
    );
  }

  async noteUse(id: string, at: Date): Promise<void> {
    const body: KeyUsedRequest = { id, at: toPocketBaseDate(at) };
    await this.#client.post('/api/fathom/api-keys/used', body);
  }

  delete(id: string): Promise<void> {
    return deleteRecord(this.#client, 'api_keys', id);
  }
}

function toApiKey(record: RecordModel): ApiKey {
  return {
    id: record.id,
    user_id: String(record['user']),
    name: String(record['name']),
    prefix: String(record['prefix']),
    permissions: permissionsIn(record['permissions']),
    roles: rolesIn(record['roles']),
    parent_id: String(record['parent'] ?? '') || null,
    expires_at: toIsoTime(String(record['expires_at'] ?? '')) || null,
    last_used_at: toIsoTime(String(record['last_used_at'] ?? '')) || null,
    created: toIsoTime(String(record['created'] ?? '')),
  };
}
