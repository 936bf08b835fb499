import type {
  BackupErasure,
  TrashedDatabase,
  TrashRequest,
} from '../../../shared/hooks/control-plane-routes.ts';
import { type ControlPlaneClient, isStatus } from '../../control-plane/client.ts';
import { deleteRecord } from '../../control-plane/records.ts';

/** Rows of deleted databases in the global PocketBase. Each change is one transaction. */
export class TrashRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  list(): Promise<TrashedDatabase[]> {
    return this.#client.get('/api/fathom/trash');
  }

  /** Puts a database into the trash, and its account if asked. May be repeated. False for a row that was deleted. */
  trash(request: TrashRequest): Promise<boolean> {
    return this.#changed('/api/fathom/trash', request);
  }

  /** Brings a database back, with its account. False when it is not in the trash. */
  undelete(id: string): Promise<boolean> {
    return this.#changed('/api/fathom/trash/undelete', { id });
  }

  /**
   * Ends an erasure: deletes the row, its account if that was deleted with it, and notes that the backups have to be erased. May
   * be repeated.
   *
   * @param options.account the account is erased as well, by the caller
   */
  async noteErased(id: string, options: Pick<BackupErasure, 'account' | 'requested'>): Promise<void> {
    await this.#client.post('/api/fathom/trash/erased', { id, ...options });
  }

  /** Databases whose backups have to be erased. */
  listErasures(): Promise<BackupErasure[]> {
    return this.#client.call((client) =>
      client.collection('backup_erasures').getFullList<BackupErasure>({ sort: 'requested' }),
    );
  }

  endErasure(id: string): Promise<void> {
    return deleteRecord(this.#client, 'backup_erasures', id);
  }

  async #changed(path: string, body: object): Promise<boolean> {
    try {
      await this.#client.post(path, body);
      return true;
    } catch (error) {
      if (isStatus(error, 404)) return false;
      throw error;
    }
  }
}
