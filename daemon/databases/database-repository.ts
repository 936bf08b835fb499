import { hash } from 'node:crypto';
import type { ClientResponseError } from 'pocketbase';
import { FathomError } from '../../shared/errors.ts';
import type {
  ApplicationsRequest,
  DatabaseList,
  DatabaseRow,
  DatabaseRowChange,
  DatabasesReadyRequest,
  OwnerAccount,
  OwnerList,
  Reservation,
  ReserveRequest,
} from '../../shared/hooks/control-plane-routes.ts';
import { unknownUser } from '../accounts/user-repository.ts';
import { type ControlPlaneClient, fieldsOf, isStatus, unreadable } from '../control-plane/client.ts';

/** Rows in one response. All in one would need much memory for a moment, which stays with the process. Few would take longer: each response reads the users once. */
const PAGE_ROWS = 2_500;

/** PocketBase's code for a value that breaks a unique index. */
const NOT_UNIQUE = 'validation_not_unique';

export type ListedDatabase = DatabaseRow & {
  /** Of the owner; null when it cannot be read. */
  email: string | null;
};

export interface ListedDatabases {
  /** The time of the control plane before the rows were read. */
  at: string;
  /** The number of all rows. */
  count: number;
  rows: ListedDatabase[];
}

/** Rows of user databases in the global PocketBase. */
export class DatabaseRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  /**
   * Returns the row of the user's database. Creates one with the next number of the day if there is none, in one transaction.
   *
   * @throws FathomError `not_found` for an unknown user, `conflict` for a user that may not have a database,
   * `address.unverified`, `databases.limit_reached`
   */
  async reserve(request: ReserveRequest): Promise<Reservation> {
    try {
      return await this.#client.post<Reservation>('/api/fathom/databases/reserve', request);
    } catch (error) {
      if (isStatus(error, 404)) throw unknownUser(request.user, error);
      if (isStatus(error, 403)) throw refusedDatabase(error, request);
      throw error;
    }
  }

  /**
   * Lists all rows.
   *
   * @param since only those that changed then or later, themselves or their owners; a time of the control plane
   * @throws FathomError `control_plane.unavailable`, also when the global PocketBase cannot read the rows
   */
  async list(since?: string): Promise<ListedDatabases> {
    const listed: ListedDatabases = { at: '', count: 0, rows: [] };
    for await (const { at, count, rows } of this.pages(since)) {
      // Later changes are found from the time of the first page on.
      if (listed.at === '') Object.assign(listed, { at, count });
      for (const row of rows) listed.rows.push(row);
    }
    return listed;
  }

  /** The same, some rows at a time. The next ones are read while the caller handles them. @throws as `list` */
  async *pages(since?: string): AsyncGenerator<ListedDatabases> {
    let reading = this.#page('', since);
    for (;;) {
      const page = await reading;
      const last = page.rows.length < PAGE_ROWS ? undefined : page.rows.at(-1);
      if (last) {
        reading = this.#page(last.name, since);
        // The next turn reports it.
        reading.catch(() => {});
      }
      yield page;
      if (!last) return;
    }
  }

  async #page(after: string, since: string | undefined): Promise<ListedDatabases> {
    const query = { after, limit: String(PAGE_ROWS), ...(since === undefined ? {} : { since }) };
    try {
      const { state, rows, owners } = await this.#client.get<DatabaseList>('/api/fathom/databases', query);
      const withOwners = rows.map((row) => {
        const owner = owners[row.user];
        return Object.assign(row, { email: owner?.email ?? null, plan: owner?.plan ?? '' });
      });
      return { ...state, rows: withOwners };
    } catch (error) {
      if (!isStatus(error, 400)) throw error;
      throw unreadable(error);
    }
  }

  /** Lists the accounts of all users with a database, or of one user. */
  async listOwners(userId?: string): Promise<OwnerAccount[]> {
    const listed: OwnerAccount[] = [];
    for (let after = ''; ; ) {
      const query = userId === undefined ? { after, limit: String(PAGE_ROWS) } : { user: userId };
      const { databases, owners } = await this.#client.get<OwnerList>('/api/fathom/owners', query);
      for (const [database, user] of databases) {
        const owner = owners[user];
        if (!owner) continue;
        const { token_key, ...account } = owner;
        listed.push({ database, ...account, token_epoch: hash('sha256', token_key) });
      }
      after = databases.at(-1)?.[0] ?? '';
      if (userId !== undefined || databases.length < PAGE_ROWS) return listed;
    }
  }

  /** Stores the applications of databases that earlier releases created. */
  async fillInApplications(applications: string): Promise<void> {
    const body: ApplicationsRequest = { applications };
    await this.#client.post('/api/fathom/databases/applications', body);
  }

  /** Stores the state `ready` of new databases. */
  async markReady(ids: readonly string[]): Promise<void> {
    const body: DatabasesReadyRequest = { ids: [...ids] };
    await this.#client.post('/api/fathom/databases/ready', body);
  }

  /** @throws FathomError `not_found` when the row was deleted in the meantime */
  async update(id: string, changes: DatabaseRowChange): Promise<void> {
    await this.#change(id, changes);
  }

  /** Stores a port. False when another row names it. @throws as `update` */
  async setPort(id: string, port: number): Promise<boolean> {
    try {
      await this.#change(id, { port });
      return true;
    } catch (error) {
      const isTaken =
        isStatus(error, 400) &&
        fieldsOf(error.data['data']).some(({ path, code }) => path === 'port' && code === NOT_UNIQUE);
      if (isTaken) return false;
      throw error;
    }
  }

  /** Ports that were freed by databases, the oldest first. */
  listFreedPorts(): Promise<number[]> {
    return this.#client.get('/api/fathom/databases/freed-ports');
  }

  async #change(id: string, changes: Partial<DatabaseRow>): Promise<void> {
    try {
      await this.#client.call((client) => client.collection('user_databases').update(id, changes));
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
      throw new FathomError('not_found', 'the database was deleted in the meantime', { cause: error });
    }
  }
}

/** The error for an account that cannot get a database now; the hook names the reason in its message. */
function refusedDatabase(error: ClientResponseError, { max_databases: max }: ReserveRequest): FathomError {
  const cause = { cause: error };
  // PocketBase makes a sentence of each message.
  if (/^unverified/i.test(error.message)) {
    const remedy = 'open the link in the mail that was sent to it';
    return new FathomError('address.unverified', `the e-mail address is not proved yet; ${remedy}`, cause);
  }
  if (/^full/i.test(error.message)) {
    return new FathomError(
      'databases.limit_reached',
      max === 0
        ? 'the disk of the host is nearly full; free some space'
        : 'the fleet has MAX_DATABASES databases; raise the setting and reload the daemon, or delete a database',
      cause,
    );
  }
  return new FathomError('conflict', "only active users with the role 'user' can have a database", cause);
}
