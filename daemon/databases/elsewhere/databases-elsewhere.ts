import PocketBase from 'pocketbase';
import { FathomError } from '../../../shared/errors.ts';
import type { DatabaseRow } from '../../../shared/hooks/control-plane-routes.ts';
import { connectAddress } from '../../../shared/host.ts';
import type { TokenSource } from '../../keys/instance-access.ts';
import type { TokenLimit } from '../owner/owner-access.ts';
import type { OtherNode } from './fleet-share.ts';

const TIMEOUT_MS = 10_000;

/** A database that another node runs. */
export interface DatabaseElsewhere {
  row: Pick<DatabaseRow, 'name' | 'user' | 'port' | 'desired'>;
  other: OtherNode;
  /** For clients. */
  urlOf: (port: number, address: string) => string;
  superuserToken: TokenSource;
}

/** The databases that other nodes run, by name and by owner. */
export class DatabasesElsewhere {
  readonly #byName = new Map<string, DatabaseElsewhere>();
  readonly #byUser = new Map<string, DatabaseElsewhere>();

  set(database: DatabaseElsewhere): void {
    this.#byName.set(database.row.name, database);
    this.#byUser.set(database.row.user, database);
  }

  remove(name: string): void {
    const database = this.#byName.get(name);
    this.#byName.delete(name);
    if (database && this.#byUser.get(database.row.user) === database) this.#byUser.delete(database.row.user);
  }

  find(name: string): DatabaseElsewhere | null {
    return this.#byName.get(name) ?? null;
  }

  findByUser(userId: string): DatabaseElsewhere | null {
    return this.#byUser.get(userId) ?? null;
  }

  get size(): number {
    return this.#byName.size;
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }
}

/** The error for a deletion: only the node with the control plane deletes, and only what it runs. */
export function deletedAfterMove({ row: { name }, other: { node } }: DatabaseElsewhere): FathomError {
  return new FathomError(
    'conflict',
    `node ${node} runs ${name}; move it to the node with the control plane ('fathomd databases move ${name} NODE'), then delete it`,
  );
}

/** The error for work that only the node of a database can do. */
export function runsElsewhere({ row: { name }, other: { node } }: DatabaseElsewhere): FathomError {
  return new FathomError('conflict', `node ${node} runs ${name}; use the commands or the API of that node`);
}

/**
 * Creates a token of the owner, by the node that runs the database.
 *
 * @param limit null for the usual lifetime
 * @throws ClientResponseError, FathomError `secret.undecryptable`
 */
export async function createTokenElsewhere(
  { row, superuserToken }: DatabaseElsewhere,
  { address, port }: { address: string; port: number },
  limit: TokenLimit | null,
  now: Date,
): Promise<string> {
  const client = new PocketBase(`http://${connectAddress(address, port)}`);
  client.authStore.save(await superuserToken());
  const seconds =
    limit === null ? 0 : Math.max(1, Math.floor((limit.expiresAt.getTime() - now.getTime()) / 1000));
  const signedIn = await client
    .collection('users')
    .impersonate(row.user, seconds, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  return signedIn.authStore.token;
}
