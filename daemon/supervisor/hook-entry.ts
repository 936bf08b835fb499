/*
 * PocketBase loads the `*.pb.js` files at the top level of one directory, in a random order. So it gets one such file, which
 * loads all others in a fixed order. Each of them has a scope of its own:
 *
 *   _fathom.pb.js               the only file that PocketBase loads
 *   _fathom/refuse-writes.pb.js hooks of Fathom, loaded first
 *   _apps/shop/main.pb.js       hooks of applications, in the order of their names
 *   lib/prices.js               other files of applications
 */

export const HOOK_ENTRY = '_fathom.pb.js';
/** Contains the hooks of Fathom. */
export const GUARDS = '_fathom';
/** Contains the hooks of applications, with one directory for each. */
export const APPLICATIONS = '_apps';

/** @param paths relative to the directory of hooks */
export function hookEntry(paths: readonly string[]): string {
  return paths.map((path) => `require(\`\${__hooks}/${path}\`);\n`).join('');
}
