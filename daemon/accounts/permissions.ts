import {
  PERMISSIONS,
  type Permission,
  type Role,
  type Scope,
} from '../../shared/api/accounts/permissions.ts';
import { FathomError } from '../../shared/errors.ts';

export {
  isPermission,
  isRole,
  PERMISSION_NAMES,
  PERMISSIONS,
  type Permission,
  ROLES,
  type Role,
  type Scope,
} from '../../shared/api/accounts/permissions.ts';

/**
 * Who makes a request. `local` is a client of the local socket, which is an administrator, as with the Docker socket.
 * `ceiling` limits the caller to the permissions of that role; it never adds any.
 */
export type Caller = { ceiling?: Role } & (
  | { kind: 'local' }
  | {
      kind: 'session' | 'key';
      /** Id of the session or key. */
      id: string;
      userId: string;
      role: Role;
      /** Null: does not expire. */
      expiresAt: Date | null;
      /** Permissions of a key; null: all permissions of the role. */
      permissions: ReadonlySet<Permission> | null;
    }
);

/** Returns the data to which the permission of a caller applies. */
export function scopeOf(caller: Caller, permission: Permission): Scope {
  const scope = scopeWithoutCeiling(caller, permission);
  if (caller.ceiling === undefined) return scope;
  const limit: Scope = PERMISSIONS[permission][caller.ceiling];
  return BY_WIDTH.indexOf(limit) < BY_WIDTH.indexOf(scope) ? limit : scope;
}

const BY_WIDTH: readonly Scope[] = [null, 'own', 'all'];

function scopeWithoutCeiling(caller: Caller, permission: Permission): Scope {
  if (caller.kind === 'local') return PERMISSIONS[permission].admin;
  if (caller.permissions !== null && !caller.permissions.has(permission)) return null;
  return PERMISSIONS[permission][caller.role];
}

export function isOwner(caller: Caller, userId: string): boolean {
  return caller.kind !== 'local' && caller.userId === userId;
}

/**
 * Checks a permission on data of one user.
 *
 * @param owner null for data without an owner, or of several
 * @throws FathomError `auth.forbidden`
 */
export function requireScope(caller: Caller, permission: Permission, owner: string | null): void {
  const scope = scopeOf(caller, permission);
  if (scope === 'all') return;
  if (scope === 'own' && owner !== null && isOwner(caller, owner)) return;
  throw new FathomError('auth.forbidden', `this needs the permission ${permission} on data of other users`);
}
