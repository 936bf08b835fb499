import { FathomError } from '../../shared/errors.ts';
import type {
  DatabaseRow,
  ListedDatabase,
  OwnerAccount,
  Reservation,
  ReserveRequest,
} from '../../shared/hooks/control-plane-routes.ts';
import { unknownUser } from '../accounts/user-repository.ts';
import { type ControlPlaneClient, isStatus, unreadable } from '../control-plane/client.ts';

/** User databases as the global PocketBase knows them. */
export class DatabaseRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  /**
   * The user's database: the one that is there, or a new row with the next number of the day, decided in one transaction.
   *
   * @throws FathomError `not_found` for an unknown user, `conflict` for one who is not given a database
   */
  async reserve(request: ReserveRequest): Promise<Reservation> {
    try {
      return await this.#client.call((client) =>
        client.send<Reservation>('/api/fathom/databases/reserve', { method: 'POST', body: request }),
      );
    } catch (error) {
      if (isStatus(error, 404)) throw unknownUser(request.user, error);
      if (isStatus(error, 403)) {
        throw new FathomError('conflict', "only active users with the role 'user' are given a database", {
          cause: error,
        });
      }
      throw error;
    }
  }

  /** @throws FathomError `control_plane.unavailable`, also when it answers and cannot read them */
  async list(): Promise<ListedDatabase[]> {
    try {
      return await this.#client.call((client) =>
        client.send<ListedDatabase[]>('/api/fathom/databases', { method: 'GET' }),
      );
    } catch (error) {
      if (!isStatus(error, 400)) throw error;
      throw unreadable(error);
    }
  }

  /** Of everybody who has a database, or of one user. */
  owners(userId?: string): Promise<OwnerAccount[]> {
    const query = userId === undefined ? {} : { user: userId };
    return this.#client.call((client) => client.send<OwnerAccount[]>('/api/fathom/owners', { query }));
  }

  /** @throws FathomError `not_found` when it was deleted meanwhile */
  async update(id: string, changes: Partial<Pick<DatabaseRow, 'state' | 'desired' | 'port'>>): Promise<void> {
    try {
      await this.#client.call((client) => client.collection('user_databases').update(id, changes));
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
      throw new FathomError('not_found', 'the database was deleted in the meantime', { cause: error });
    }
  }

  /** Whatever it was, it is gone afterwards. */
  async delete(id: string): Promise<void> {
    try {
      await this.#client.call((client) => client.collection('user_databases').delete(id));
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
  }
}
