import { FathomError } from '../../../shared/errors.ts';
import type { TrashedDatabase } from '../../../shared/hooks/control-plane-routes.ts';

/** The databases that were deleted and are not erased yet, by name and by owner. */
export class TrashedDatabases {
  readonly #byName = new Map<string, TrashedDatabase>();
  readonly #byUser = new Map<string, TrashedDatabase>();

  add(database: TrashedDatabase): void {
    this.#byName.set(database.name, database);
    this.#byUser.set(database.user, database);
  }

  remove(name: string): void {
    const database = this.#byName.get(name);
    this.#byName.delete(name);
    if (database && this.#byUser.get(database.user) === database) this.#byUser.delete(database.user);
  }

  find(name: string): TrashedDatabase | null {
    return this.#byName.get(name) ?? null;
  }

  findByUser(userId: string): TrashedDatabase | null {
    return this.#byUser.get(userId) ?? null;
  }

  all(): TrashedDatabase[] {
    return [...this.#byName.values()];
  }
}

/** The error for a database that is in the trash. @param eraseAt in any form that begins with the day */
export function deletedDatabase(name: string, eraseAt: string): FathomError {
  return new FathomError(
    'database.deleted',
    `the database ${name} was deleted, and is erased on ${eraseAt.slice(0, 10)}; until then, an administrator can bring it back`,
  );
}
