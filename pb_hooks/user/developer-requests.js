// Requests of the superuser of a developer's database.

const SUPERUSERS = '_superusers';
/** In the store of the process: PocketBase has started, and its own migrations have run. */
const SERVING = 'fathom_serving';

/** Routes that are closed, by the pattern with which PocketBase finds them. */
const CLOSED = [
  {
    pattern: /^[A-Z]+ \/api\/backups(\/|$)/,
    why: 'Fathom makes the backups of this database, and restores them. Use its page or its API.',
  },
  {
    pattern: /^[A-Z]+ \/api\/sql(\/|$)/,
    why: 'SQL is closed, because it could change what Fathom manages. Use collections and their API.',
  },
];

/** @param {core.RequestEvent} e */
function admit(e) {
  e.app.store().set(SERVING, true);
  if (!e.hasSuperuserAuth()) return e.next();
  const { pattern } = e.request;
  const closed = CLOSED.find((route) => route.pattern.test(pattern));
  if (closed) throw refusal(closed.why);
  if (pattern.startsWith('POST /api/crons/') && e.request.pathValue('id') === '__pbAutoBackup__')
    throw refusal(/** @type {{ why: string }} */ (CLOSED[0]).why);
  if (pattern.includes('/impersonate/') && isSuperusers(e))
    throw refusal('Superusers cannot be impersonated.');
  if (pattern.endsWith('/dry-run-view')) {
    const { queryProblem } = require(`${__hooks}/_fathom/developer-sql.js`);
    const problem = queryProblem(String(e.requestInfo().body['query']));
    if (problem !== null) throw refusal(problem);
  }
  return e.next();
}

/** @param {core.RequestEvent} e */
function isSuperusers(e) {
  try {
    return e.app.findCachedCollectionByNameOrId(e.request.pathValue('collection')).name === SUPERUSERS;
  } catch {
    // PocketBase answers 404.
    return false;
  }
}

/**
 * Refuses changes of records that only Fathom makes, also by hooks of applications.
 *
 * @param {core.RecordEvent} e
 * @param {'superusers' | 'users'} which
 */
function refuseChangeOf(e, which) {
  if (!isServing(e.app)) return;
  throw refusal(
    which === 'superusers'
      ? 'Superusers of this database are managed by Fathom. Change the password and the address of the account instead.'
      : 'The collection users contains only the owner. Create another collection for further accounts.',
  );
}

/** @param {CoreApp} app */
function isServing(app) {
  return app.store().has(SERVING);
}

/** @param {string} message */
function refusal(message) {
  return new ForbiddenError(message, { database: new ValidationError('managed', message) });
}

// Frozen: hooks of applications run in the same runtime.
module.exports = Object.freeze({ admit, isServing, refusal, refuseChangeOf });
