export const ROLES = ['user', 'viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** `all`: for everything. `own`: for what belongs to the caller. Null: not at all. */
export type Scope = 'all' | 'own' | null;

const grants = (user: Scope, viewer: Scope, operator: Scope, admin: Scope) => ({
  user,
  viewer,
  operator,
  admin,
});

/**
 * The permissions of each role. Every route names a permission; a route without one is not registered.
 */
export const PERMISSIONS = {
  //                          user   viewer operator admin
  'account.use': grants('own', 'own', 'own', 'own'),
  'stream.open': grants('own', 'all', 'all', 'all'),
  'status.read': grants(null, 'all', 'all', 'all'),
  // The names of databases in /metrics. The other metrics are public.
  'metrics.read': grants(null, 'all', 'all', 'all'),
  // The findings of the doctor and the log of the daemon.
  'host.read': grants(null, 'all', 'all', 'all'),
  // A removed node gives its databases to others.
  'nodes.write': grants(null, null, null, 'all'),
  'users.read': grants('own', 'all', 'all', 'all'),
  'users.write': grants(null, null, null, 'all'),
  // Everything that is stored of a user.
  'users.export': grants('own', null, null, 'all'),
  'invitations.read': grants(null, 'all', 'all', 'all'),
  'invitations.write': grants(null, null, null, 'all'),
  'plans.read': grants(null, 'all', 'all', 'all'),
  'plans.write': grants(null, null, null, 'all'),
  'databases.read': grants('own', 'all', 'all', 'all'),
  'databases.operate': grants('own', null, 'all', 'all'),
  'databases.browse': grants('own', 'all', 'all', 'all'),
  'databases.configure': grants(null, null, null, 'all'),
  'databases.delete': grants(null, null, null, 'all'),
  // Projects, items and sprints in the own database, through the API.
  'work-items.read': grants('own', 'own', 'own', 'own'),
  'work-items.write': grants('own', null, 'own', 'own'),
  'backups.read': grants('own', 'all', 'all', 'all'),
  'backups.create': grants('own', null, 'all', 'all'),
  // The recovery key opens all backups.
  'backups.configure': grants(null, null, null, 'all'),
  // The data of now is kept beside the restored one, on the disk of the host.
  'backups.restore': grants('own', null, null, 'all'),
  'backups.download': grants('own', null, null, 'all'),
  'queue.read': grants('own', 'all', 'all', 'all'),
  'queue.stats': grants(null, 'all', 'all', 'all'),
  // Handlers send requests from the host of the daemon, so owners create tasks only of types that are open to them.
  'queue.create': grants('own', null, null, 'all'),
  // Tasks that the owner has added.
  'queue.cancel': grants('own', null, 'all', 'all'),
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
