const daemon = require(`${__hooks}/lib/daemon.js`);

/** Lets a sign-in pass that is not limited by the daemon, and tells it how that ended. */
function audited(e, identity) {
  let ok = false;
  try {
    e.next();
    ok = true;
  } finally {
    const attempt = { collection: e.collection.name, identity, ...daemon.originOf(e) };
    const end = { ...attempt, ok, attempt: '', user_id: e.record ? e.record.id : '' };
    daemon.tell(e.app, '/internal/sign-ins/ended', end, 3);
  }
}

/** Answers 429. PocketBase exposes no header to scripts of other origins by itself. */
function refuse(e, reason, retryAfterS) {
  const headers = (e.requestEvent || e).response.header();
  headers.set('Retry-After', String(retryAfterS));
  headers.set('Access-Control-Expose-Headers', 'Retry-After');
  throw new TooManyRequestsError(`${reason} Try again in ${retryAfterS} s.`);
}

module.exports = { audited, refuse };
