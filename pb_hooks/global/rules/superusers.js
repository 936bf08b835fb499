// Decisions about requests of superusers.

const RECORDS = /^\/api\/(batch$|collections\/[^/]+\/records(\/|$))/;

/**
 * Whether a request concerns records. Changes of records are reported one by one.
 *
 * @param {string} path
 */
function isRecordRequest(path) {
  return RECORDS.test(path);
}

/**
 * The action of the audit log for a request.
 *
 * @param {string} method
 */
function actionOf(method) {
  return `superuser.${method.toLowerCase()}`;
}

/**
 * The addresses from which superusers may sign in, with those of the daemon. An empty list would allow every address.
 *
 * @param {readonly string[]} allowed
 * @param {string} ofDaemon separated by commas
 * @returns null if nothing is missing
 */
function withDaemonAddresses(allowed, ofDaemon) {
  const missing = ofDaemon.split(',').filter((address) => !allowed.includes(address));
  return missing.length > 0 ? [...allowed, ...missing] : null;
}

module.exports = { actionOf, isRecordRequest, withDaemonAddresses };
