import { FathomError } from '../../shared/errors.ts';
import { unknownUser } from '../accounts/user-repository.ts';
import { type ControlPlaneClient, isStatus, unreadable } from '../control-plane/client.ts';

/** A row of `user_databases`: what should exist. */
export interface DatabaseRow {
  id: string;
  name: string;
  /** Id of the owner. */
  user: string;
  state: 'provisioning' | 'ready' | 'deleting';
  desired: 'running' | 'stopped';
  /** The port it last listened on; 0 before its first start. */
  port: number;
  /** Fathom's superuser secret of the instance, in an envelope. */
  superuser_secret: string;
  created: string;
}

export interface OwnerRow {
  id: string;
  email: string;
  name: string;
  verified: boolean;
  password_hash: string;
  token_epoch: string;
}

/** What the owner's own database should hold of the account. */
export interface OwnerAccount {
  /** Name of the database. */
  database: string;
  id: string;
  email: string;
  verified: boolean;
  is_active: boolean;
  /** bcrypt. */
  password_hash: string;
  /** Another one whenever all tokens of the account end: with a new password or address, deactivation, signing out everywhere. */
  token_epoch: string;
}

export interface Reservation {
  /** False when the user had a database already. */
  created: boolean;
  database: DatabaseRow;
  owner: OwnerRow;
}

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
  async reserve(request: {
    user: string;
    username: string;
    day: string;
    superuser_secret: string;
  }): Promise<Reservation> {
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
  async list(): Promise<(DatabaseRow & { email: string | null })[]> {
    try {
      return await this.#client.call((client) =>
        client.send<(DatabaseRow & { email: string | null })[]>('/api/fathom/databases', { method: 'GET' }),
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
