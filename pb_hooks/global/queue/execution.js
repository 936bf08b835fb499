// How an operation of the queue is executed, and how its errors are reported.

/**
 * @typedef {import('./sql.js').Database} Database
 *
 * @typedef {object} Operation
 * @property {(db: Database, body: any) => string} run returns the response as JSON text
 * @property {boolean} [reads] changes nothing
 * @property {(db: Database, body: any) => boolean} [isIndependent] whether each of its statements is correct without the
 *   others, so that no transaction is needed
 */

/** Not a mistake of the request: the disk is full, read-only or broken, or another process locks the database. */
const STORAGE_ERROR =
  /disk is full|disk I\/O error|readonly database|malformed|unable to open database|database is locked/;

/**
 * Single statements are much faster than a transaction.
 *
 * @param {Operation} operation
 * @param {Database} single
 * @param {object} body
 * @returns {'read' | 'single' | 'transaction'}
 */
function modeOf({ reads, isIndependent }, single, body) {
  if (reads) return 'read';
  return isIndependent && isIndependent(single, body) ? 'single' : 'transaction';
}

/**
 * @param {unknown} error
 * @returns the reason if storage failed, or null
 */
function storageErrorOf(error) {
  const [reason = null] = STORAGE_ERROR.exec(String(error)) || [];
  return reason;
}

module.exports = { modeOf, storageErrorOf };
