import {
  PERMISSION_NAMES,
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
      /** Null for a session with all permissions of the role. */
      key: KeyLimits | null;
    }
);

/** What limits an API key, or a session, beside the role of its user. */
export interface KeyLimits {
  permissions: ReadonlySet<Permission>;
  /** The roles of those who made the key, at that time, or that a session was limited to. Each of them must allow what it does. */
  roles: readonly Role[];
  /** Ids of the users of the key and of the keys that it was made with. */
  owners: readonly string[];
}

const BY_WIDTH: readonly Scope[] = [null, 'own', 'all'];

/** Returns the data to which the permission of a caller applies. */
export function scopeOf(caller: Caller, permission: Permission): Scope {
  if (caller.kind !== 'local' && caller.key?.permissions.has(permission) === false) return null;
  const widths = limitingRoles(caller).map((role) => widthOf(role, permission));
  return BY_WIDTH[Math.min(...widths)] ?? null;
}

/** Removes roles that allow everything that another of them allows: they limit nothing. */
export function withoutWiderRoles(roles: readonly Role[]): Role[] {
  return [...new Set(roles)].filter((role) => !roles.some((other) => isWider(role, other)));
}

function isWider(role: Role, other: Role): boolean {
  return role !== other && PERMISSION_NAMES.every((name) => widthOf(other, name) <= widthOf(role, name));
}

function widthOf(role: Role, permission: Permission): number {
  return BY_WIDTH.indexOf(PERMISSIONS[permission][role]);
}

/** Returns the roles that limit a caller; each of them must allow what it does. */
export function limitingRoles(caller: Caller): readonly Role[] {
  const roles: readonly Role[] =
    caller.kind === 'local' ? ['admin'] : [caller.role, ...(caller.key?.roles ?? [])];
  return [...new Set(caller.ceiling === undefined ? roles : [...roles, caller.ceiling])];
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
