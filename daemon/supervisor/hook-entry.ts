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

/*
 * PocketBase answers every unknown path with `index.html` of an application, also those of its API. A client that expects JSON then
 * gets a page. The route below answers unknown paths of the API as PocketBase does without static files. An application that
 * has a route for all of them keeps it: PocketBase would not start with both.
 */

/** Loaded before the hooks of applications. */
const NOTE_ROUTES = `const fathomApi = { isTaken: false, add: routerAdd };
routerAdd = function (method, path) {
  if (/^(GET)?$/i.test(method) && /^\\/(api\\/)?(\\{\\w+\\.\\.\\.\\})?$/.test(path)) fathomApi.isTaken = true;
  return fathomApi.add.apply(undefined, arguments);
};
`;
/** Loaded after them. Its directory does not exist, and an application cannot have it, so that all of its files are not found. */
const ADD_ROUTE = `if (!fathomApi.isTaken) fathomApi.add('GET', '/api/{path...}', $apis.static(\`\${__hooks}/${GUARDS}/none\`, false));
`;

/** The same for applications with `index.html`. @param paths relative to the directory of hooks */
export function hookEntryWithPage(paths: readonly string[]): string {
  return `${NOTE_ROUTES}${hookEntry(paths)}${ADD_ROUTE}`;
}

/** @param paths relative to the directory of hooks */
export function hookEntry(paths: readonly string[]): string {
  return paths.map((path) => `require(\`\${__hooks}/${path}\`);\n`).join('');
}
