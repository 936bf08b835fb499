import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { DatabaseAccessLevel } from '../../../shared/access.ts';
import type { SuperuserKeys } from '../../keys/instance-access.ts';
import { toPocketBaseDate } from '../../pocketbase/data/sqlite.ts';
import { randomSecret } from '../owner/collection-secrets.ts';

/*
 * The owner of a developer's database has a record in `_superusers` as well, with the address and the password hash of the
 * record in `users`. The id follows from that of the owner, so that both records are found and kept in step.
 */

const ID_CHARACTERS = 15;

export interface SuperuserRules {
  ownerId: string;
  access: DatabaseAccessLevel;
  /** Fathom's own; null when its keys cannot be read. */
  superuser: SuperuserKeys | null;
  now: Date;
}

/** PocketBase takes ids as unique over all collections with accounts. */
export function ownerSuperuserId(ownerId: string): string {
  return hash('sha256', `superuser/${ownerId}`).slice(0, ID_CHARACTERS);
}

/** Whether `restoreOwnerSuperuser` would change anything. Reads only. */
export function needsOwnerSuperuser(database: DatabaseSync, rules: SuperuserRules): boolean {
  const id = ownerSuperuserId(rules.ownerId);
  const ids = superuserIds(database);
  if (rules.access === 'app') return ids.includes(id);
  return !ids.includes(id) || othersOf(ids, rules).length > 0;
}

/**
 * Gives the owner of a developer's database a superuser and removes all others but Fathom's, or removes the one of the owner.
 * Tokens of a removed record are invalid, also when the owner gets another one.
 *
 * @returns the changes, as text
 */
export function restoreOwnerSuperuser(database: DatabaseSync, rules: SuperuserRules): string[] {
  const id = ownerSuperuserId(rules.ownerId);
  const ids = superuserIds(database);
  const removal = database.prepare('DELETE FROM _superusers WHERE id = ?');
  if (rules.access === 'app') {
    return Number(removal.run(id).changes) > 0 ? ["removed the owner's superuser"] : [];
  }
  const others = othersOf(ids, rules);
  for (const other of others) removal.run(other);
  const changes = others.length > 0 ? [`removed ${others.length} superusers that Fathom does not know`] : [];
  if (ids.includes(id)) return changes;
  const at = toPocketBaseDate(rules.now);
  database
    .prepare(
      `INSERT INTO _superusers (id, email, password, tokenKey, verified, created, updated)
       SELECT ?, email, password, ?, 1, ?, ? FROM users WHERE id = ?`,
    )
    .run(id, randomSecret(), at, at, rules.ownerId);
  return [...changes, 'made the owner a superuser'];
}

/** Without the keys, Fathom's superuser is not known, so none is removed. */
function othersOf(ids: readonly string[], { ownerId, superuser }: SuperuserRules): string[] {
  if (superuser === null) return [];
  const kept = [superuser.recordId, ownerSuperuserId(ownerId)];
  return ids.filter((id) => !kept.includes(id));
}

function superuserIds(database: DatabaseSync): string[] {
  return database
    .prepare('SELECT id FROM _superusers')
    .all()
    .map((row) => String(row['id']));
}
