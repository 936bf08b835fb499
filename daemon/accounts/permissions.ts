import { PERMISSIONS, type Permission, type Role, type Scope } from '../../shared/api/permissions.ts';
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
} from '../../shared/api/permissions.ts';

/**
 * Who makes a request: whoever can open the local socket is an administrator, as with the Docker socket. `ceiling` is a
 * role that the caller asked not to go beyond; it takes away and never adds.
 */
export type Caller = { ceiling?: Role } & (
  | { kind: 'local' }
  | {
      kind: 'session' | 'key';
      /** Of the row of the session or key. */
      id: string;
      userId: string;
      role: Role;
      /** Null never ends by itself. */
      expiresAt: Date | null;
      /** What a key is confined to; null leaves all that the role may do. */
      permissions: ReadonlySet<Permission> | null;
    }
);

/** Pure. */
export function scopeOf(caller: Caller, permission: Permission): Scope {
  const scope = ownScope(caller, permission);
  if (caller.ceiling === undefined) return scope;
  const most: Scope = PERMISSIONS[permission][caller.ceiling];
  return WIDTH.indexOf(most) < WIDTH.indexOf(scope) ? most : scope;
}

/** From nothing to everything. */
const WIDTH: readonly Scope[] = [null, 'own', 'all'];

function ownScope(caller: Caller, permission: Permission): Scope {
  if (caller.kind === 'local') return PERMISSIONS[permission].admin;
  if (caller.permissions !== null && !caller.permissions.has(permission)) return null;
  return PERMISSIONS[permission][caller.role];
}

/**
 * What belongs to `owner` (null: to nobody in particular) may be touched with this permission.
 *
 * @throws FathomError `auth.forbidden`
 */
export function requireScope(caller: Caller, permission: Permission, owner: string | null): void {
  const scope = scopeOf(caller, permission);
  if (scope === 'all') return;
  if (scope === 'own' && caller.kind !== 'local' && owner !== null && caller.userId === owner) return;
  throw new FathomError(
    'auth.forbidden',
    `this needs the permission ${permission} on what is not the caller's own`,
  );
}
