const daemon = require('./daemon.js');

const { callDaemon, originOf, requestEventOf } = daemon;

/**
 * Continues with a sign-in that the daemon does not limit, and reports its outcome.
 *
 * @param {core.RecordAuthWithOAuth2RequestEvent | core.RecordAuthWithOTPRequestEvent} e
 * @param {string} identity
 */
function reportSignIn(e, identity) {
  let ok = false;
  try {
    e.next();
    ok = true;
  } finally {
    const attempt = { collection: e.collection.name, identity, ...originOf(e) };
    const user_id = e.record ? e.record.id : '';
    const report = { ...attempt, ok, attempt: '', user_id };
    callDaemon(e.app, '/internal/sign-ins/ended', { ...report, action: 'sign-in' }, 3);
  }
}

/**
 * Answers 429. PocketBase does not expose the header to scripts of other origins by itself.
 *
 * @param {core.RequestEvent} e
 * @param {string} reason
 * @param {number} retryAfterS
 * @returns {never}
 */
function refuse(e, reason, retryAfterS) {
  const headers = requestEventOf(e).response.header();
  headers.set('Retry-After', String(retryAfterS));
  headers.set('Access-Control-Expose-Headers', 'Retry-After');
  throw new TooManyRequestsError(`${reason} Try again in ${retryAfterS} s.`);
}

module.exports = { reportSignIn, refuse };
