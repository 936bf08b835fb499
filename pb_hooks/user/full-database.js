// Writes to a database that is over its disk limit, or on a host whose disk is nearly full.

const READS_AND_DELETIONS = ['GET', 'HEAD', 'OPTIONS', 'DELETE'];
/** Routes of PocketBase itself. Hooks of requests see what they write. */
const OF_POCKETBASE =
  /^[A-Z]+ \/api\/(?:backups|batch|collections|crons|files|health|logs|realtime|settings|sql)(?:\/|$)/;

/** @param {core.RequestEvent} e */
function refuse(e) {
  // The owner of a developer's database is a superuser, too.
  if (e.auth && e.hasSuperuserAuth() && e.auth.email() === 'fathom@localhost.internal') return e.next();
  /** @type {{ code: string }} */
  const { code } = JSON.parse(toString($os.readFile(`${__hooks}/_fathom/refuse-writes.json`)));
  const message =
    code === 'disk_reserve'
      ? 'The server has no space for new data at the moment. Try again later.'
      : 'The database has reached its disk limit. Delete records or files.';
  throw new ApiError(507, message, { database: new ValidationError(code, message) });
}

/**
 * Routes of applications save records without a hook of a request.
 *
 * @param {core.RequestEvent} e
 */
function refuseRoute(e) {
  const { method, pattern } = e.request;
  return READS_AND_DELETIONS.includes(method) || OF_POCKETBASE.test(pattern) ? e.next() : refuse(e);
}

// Frozen: hooks of applications run in the same runtime.
module.exports = Object.freeze({ refuse, refuseRoute });
