import type { RecordModel } from 'pocketbase';
import type { Invitation } from '../../../shared/api/accounts/invitations.ts';
import type { Page, PageRequest } from '../../../shared/api/contract/page.ts';
import { FathomError } from '../../../shared/errors.ts';
import { type ControlPlaneClient, fieldsOf, isStatus } from '../../control-plane/client.ts';
import { deleteRecord, findRecord, listRecords } from '../../control-plane/records.ts';
import { toIsoTime, toPocketBaseDate } from '../../pocketbase/data/sqlite.ts';

export interface StoredInvitation {
  hash: string;
  email: string | null;
  mailed: boolean;
  plan: string | null;
  max_uses: number;
  expiresAt: Date;
  /** Id of the administrator; empty for the local socket. */
  created_by: string;
}

/** Invitations in the global PocketBase. */
export class InvitationRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  /** @throws FathomError `request.invalid` for an address that no account can have */
  async create({ email, plan, expiresAt, ...invitation }: StoredInvitation, now: Date): Promise<Invitation> {
    const body = {
      ...invitation,
      email: email ?? '',
      plan: plan ?? '',
      expires_at: toPocketBaseDate(expiresAt),
    };
    try {
      const record = await this.#client.call((client) => client.collection('invitations').create(body));
      return toInvitation(record, now);
    } catch (error) {
      if (!isStatus(error, 400)) throw error;
      throw new FathomError('request.invalid', 'the global PocketBase refused the values', {
        cause: error,
        fields: fieldsOf(error.response['data']).map(({ path, message }) => ({ path, message })),
      });
    }
  }

  /** From now on, the use of the token proves nothing: others may know it. */
  async noteShown(id: string): Promise<void> {
    await this.#client.call((client) => client.collection('invitations').update(id, { mailed: false }));
  }

  async find(id: string, now: Date): Promise<Invitation | null> {
    const record = await findRecord(this.#client, 'invitations', id);
    return record && toInvitation(record, now);
  }

  list(page: PageRequest, now: Date): Promise<Page<Invitation>> {
    return this.#client.call((client) =>
      listRecords(client.collection('invitations'), page, { sort: '-created' }, (record) =>
        toInvitation(record, now),
      ),
    );
  }

  delete(id: string): Promise<void> {
    return deleteRecord(this.#client, 'invitations', id);
  }
}

function toInvitation(record: RecordModel, now: Date): Invitation {
  const expiresAt = toIsoTime(String(record['expires_at']));
  const [uses, maxUses] = [Number(record['uses']), Number(record['max_uses'])];
  const isExpired = Date.parse(expiresAt) <= now.getTime();
  return {
    id: record.id,
    email: String(record['email'] ?? '') || null,
    plan: String(record['plan'] ?? '') || null,
    state: uses >= maxUses ? 'used' : isExpired ? 'expired' : 'open',
    uses,
    max_uses: maxUses,
    mailed: record['mailed'] === true,
    expires_at: expiresAt,
    created_by: String(record['created_by'] ?? '') || null,
    created: toIsoTime(String(record['created'])),
  };
}
