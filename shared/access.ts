/**
 * What the owner of a database may use there.
 *
 * - `app`: the records that the rules of its collections allow.
 * - `developer`: everything, as a superuser, except what Fathom manages.
 */
export const DATABASE_ACCESS = ['app', 'developer'] as const;

export type DatabaseAccessLevel = (typeof DATABASE_ACCESS)[number];
