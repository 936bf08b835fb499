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
  // The names of databases in /metrics; what else stands there is open.
  'metrics.read': grants(null, 'all', 'all', 'all'),
  // The findings of the doctor and the daemon's own log.
  'host.read': grants(null, 'all', 'all', 'all'),
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
