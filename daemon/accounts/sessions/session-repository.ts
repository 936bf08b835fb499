import type { RecordModel } from 'pocketbase';
import type { SessionRow as ApiSession } from '../../../shared/api/accounts/sessions.ts';
import type { Page, PageRequest } from '../../../shared/api/contract/page.ts';
import type {
  EndSessionsRequest,
  OpenSessionRequest,
  RenewSessionRequest,
  ResolvedIdentity,
  ResolveRequest,
  SessionAddresses,
} from '../../../shared/hooks/control-plane-routes.ts';
import { type ControlPlaneClient, isStatus } from '../../control-plane/client.ts';
import { deleteRecord, findRecord, listRecords } from '../../control-plane/records.ts';
import { toIsoTime } from '../../pocketbase/data/sqlite.ts';

/** A session. The API adds whether it is the one of the request. */
export type StoredSession = Omit<ApiSession, 'current'>;

/** The client that opened a session. */
export interface Origin {
  user_agent: string;
  address: string;
}

/** @param session.limit the number of sessions of the user beyond which the oldest ones end; null is no limit */
export function describeOpening(
  session: Origin & { hash: string; user: string; expiresAt: Date; limit: number | null },
): OpenSessionRequest {
  const { hash, user, user_agent, address, expiresAt, limit } = session;
  return { hash, user, user_agent, address, expires_at: expiresAt.toISOString(), limit };
}

/** Sessions in the global PocketBase. */
export class SessionRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  /** @param by.user an account to return even when the session has ended */
  resolveIdentity(
    kind: 'session' | 'key',
    by: { hash: string; user?: string } | { id: string },
  ): Promise<ResolvedIdentity> {
    const body: ResolveRequest = { kind, ...by };
    return this.#client.post('/api/fathom/identity/resolve', body);
  }

  async open(session: OpenSessionRequest): Promise<void> {
    await this.#client.post('/api/fathom/sessions/open', session);
  }

  /** Replaces the token of a session. Returns false when the session has ended. */
  async renew(oldHash: string, session: Origin & { hash: string; expiresAt: Date }): Promise<boolean> {
    const { hash, user_agent, address, expiresAt } = session;
    const body: RenewSessionRequest = {
      old: oldHash,
      hash,
      user_agent,
      address,
      expires_at: expiresAt.toISOString(),
    };
    try {
      await this.#client.post('/api/fathom/sessions/renew', body);
      return true;
    } catch (error) {
      if (isStatus(error, 404)) return false;
      throw error;
    }
  }

  /** Ends all sessions and all tokens of the global PocketBase, and changes the `token_epoch` of the own database. */
  async endAll(user: string, { keys }: { keys: boolean }): Promise<void> {
    const body: EndSessionsRequest = { user, keys };
    await this.#client.post('/api/fathom/sessions/end', body);
  }

  /** Returns the last addresses of the sessions of each account, at most `limit` for one. */
  async listAddresses(limit: number): Promise<SessionAddresses['addresses']> {
    const query = { limit: String(limit) };
    const found = await this.#client.get<SessionAddresses>('/api/fathom/sessions/addresses', query);
    return found.addresses;
  }

  async find(id: string): Promise<StoredSession | null> {
    const record = await findRecord(this.#client, 'sessions', id);
    return record && toSession(record);
  }

  /** Lists the sessions of one user, or of all users (null). */
  list(user: string | null, page: PageRequest): Promise<Page<StoredSession>> {
    return this.#client.call((client) =>
      listRecords(
        client.collection('sessions'),
        page,
        {
          sort: '-created',
          ...(user === null ? {} : { filter: client.filter('user = {:user}', { user }) }),
        },
        toSession,
      ),
    );
  }

  delete(id: string): Promise<void> {
    return deleteRecord(this.#client, 'sessions', id);
  }
}

function toSession(record: RecordModel): StoredSession {
  return {
    id: record.id,
    user_id: String(record['user']),
    user_agent: String(record['user_agent'] ?? ''),
    address: String(record['address'] ?? ''),
    expires_at: toIsoTime(String(record['expires_at'] ?? '')),
    created: toIsoTime(String(record['created'] ?? '')),
  };
}
