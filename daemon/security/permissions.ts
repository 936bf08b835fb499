import { FathomError } from '../../shared/errors.ts';

export const ROLES = ['user', 'viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** `all`: on everything; `own`: on what belongs to the caller; null: not at all. */
export type Scope = 'all' | 'own' | null;

const grants = (user: Scope, viewer: Scope, operator: Scope, admin: Scope) => ({
  user,
  viewer,
  operator,
  admin,
});

/**
 * The table of who may do what, and the only one. Every route names its permission; a route that names none does not
 * get registered.
 */
export const PERMISSIONS = {
  //                          user   viewer operator admin
  'account.use': grants('own', 'own', 'own', 'own'),
  'stream.open': grants('own', 'all', 'all', 'all'),
  'status.read': grants(null, 'all', 'all', 'all'),
  'users.read': grants('own', 'all', 'all', 'all'),
  'users.write': grants(null, null, null, 'all'),
  'databases.read': grants('own', 'all', 'all', 'all'),
  'databases.operate': grants('own', null, 'all', 'all'),
  'databases.browse': grants(null, 'all', 'all', 'all'),
  'databases.delete': grants(null, null, null, 'all'),
  'queue.read': grants('own', 'all', 'all', 'all'),
  // Over all tasks; handlers reach out in the daemon's name, so users do not make or repeat tasks.
  'queue.stats': grants(null, 'all', 'all', 'all'),
  'queue.create': grants(null, null, null, 'all'),
  'queue.operate': grants(null, null, 'all', 'all'),
  'queue.pause': grants(null, null, null, 'all'),
  'sessions.read': grants('own', 'own', 'own', 'all'),
  'sessions.end': grants('own', 'own', 'own', 'all'),
  'api-keys.read': grants('own', 'own', 'own', 'all'),
  'api-keys.write': grants('own', 'own', 'own', 'all'),
  'audit.read': grants(null, 'all', 'all', 'all'),
  'secrets.read': grants(null, 'all', 'all', 'all'),
  'secrets.rotate': grants(null, null, null, 'all'),
} as const satisfies Record<string, Record<Role, Scope>>;

export function isRole(name: unknown): name is Role {
  return ROLES.some((role) => role === name);
}

export type Permission = keyof typeof PERMISSIONS;

export const PERMISSION_NAMES = Object.keys(PERMISSIONS) as [Permission, ...Permission[]];

export function isPermission(name: unknown): name is Permission {
  return typeof name === 'string' && Object.hasOwn(PERMISSIONS, name);
}

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
