// Limits of failed sign-ins per account and per network. Counts are in auxiliary.db, in the table `_fathom_log_attempts`: a
// counter is a bucket of tokens, and its row has the time at which the bucket is full again. Times are in milliseconds.

const WINDOW = 15 * 60_000;
/** The counters that are full first are removed. */
const MAX_ROWS = 20_000;
/** Networks that have signed in to an account before have a counter of their own for it. */
const MAX_KNOWN = 5_000;
const KNOWN_FOR = 30 * 86_400_000;

/** @typedef {{ key: string, step: number }} Counter */

/**
 * Counts a sign-in as failed until it succeeds.
 *
 * @param {core.RecordAuthWithPasswordRequestEvent} e
 * @throws TooManyRequestsError at a limit; ForbiddenError for a superuser from an address that is not allowed
 */
function begin(e) {
  const { isRefusedSuperuser } = require(`${__hooks}/_fathom/superuser-addresses.js`);
  if (isRefusedSuperuser(e)) throw new ForbiddenError();
  const { networkOf } = require(`${__hooks}/_fathom/networks.js`);
  /** @type {{ per_account: number, per_network: number }} */
  const limits = JSON.parse(toString($os.readFile(`${__hooks}/_fathom/limit-sign-ins.json`)));
  const network = networkOf(e.realIP());
  // One account can have several identities.
  const account = `${e.collection.id} ${e.record ? e.record.id : e.identity.trim().toLowerCase()}`;
  const attempt = {
    known: `known ${network} ${account}`,
    network: { key: `network ${network}`, step: Math.ceil(WINDOW / limits.per_network) },
    account: { key: `account ${account}`, step: Math.ceil(WINDOW / limits.per_account) },
  };
  let waitMs = 0;
  try {
    e.app.auxRunInTransaction((tx) => {
      if (read(tx, attempt.known) !== null) attempt.account.key = `account ${account} of ${network}`;
      waitMs = count(tx, [attempt.network, attempt.account]);
    });
  } catch (error) {
    // As after a restore of a backup without the table. The next start adds it.
    e.app.logger().warn('cannot limit sign-ins', 'error', String(error));
    return { succeeded: () => {} };
  }
  if (waitMs > 0) throw refusal(e, waitMs);
  return { succeeded: () => e.app.auxRunInTransaction((tx) => giveBack(tx, attempt)) };
}

/**
 * Takes a token of each counter. Returns the time until they have one, and takes none before.
 *
 * @param {CoreApp} tx
 * @param {Counter[]} counters
 */
function count(tx, counters) {
  const now = Date.now();
  run(tx, 'DELETE FROM _fathom_log_attempts WHERE until < {:now}', { now });
  const waitMs = Math.max(...counters.map((counter) => waitOf(tx, counter, now)));
  if (waitMs > 0) return waitMs;
  for (const { key, step } of counters) setUntil(tx, key, Math.max(now, read(tx, key) || now) + step);
  keepLast(tx, '*', MAX_ROWS);
  return 0;
}

/**
 * @param {CoreApp} tx
 * @param {{ known: string, network: Counter, account: Counter }} attempt
 */
function giveBack(tx, { known, network, account }) {
  run(tx, 'DELETE FROM _fathom_log_attempts WHERE key = {:key}', { key: account.key });
  run(tx, 'UPDATE _fathom_log_attempts SET until = until - {:step} WHERE key = {:key}', network);
  setUntil(tx, known, Date.now() + KNOWN_FOR);
  keepLast(tx, 'known *', MAX_KNOWN);
}

/**
 * The time until a counter has a token.
 *
 * @param {CoreApp} tx
 * @param {Counter} counter
 * @param {number} now
 */
function waitOf(tx, { key, step }, now) {
  return Math.max(0, (read(tx, key) || now) + step - WINDOW - now);
}

/**
 * Removes the rows that end first.
 *
 * @param {CoreApp} tx
 * @param {string} pattern
 * @param {number} max
 */
function keepLast(tx, pattern, max) {
  const over =
    'SELECT key FROM _fathom_log_attempts WHERE key GLOB {:pattern} ORDER BY until DESC LIMIT -1 OFFSET {:max}';
  run(tx, `DELETE FROM _fathom_log_attempts WHERE key IN (${over})`, { pattern, max });
}

/**
 * @param {CoreApp} tx
 * @param {string} key
 * @returns {number | null}
 */
function read(tx, key) {
  const rows = arrayOf(new DynamicModel({ until: 0 }));
  tx.auxDB().newQuery('SELECT until FROM _fathom_log_attempts WHERE key = {:key}').bind({ key }).all(rows);
  const [row] = rows;
  return row ? row.until : null;
}

/**
 * @param {CoreApp} tx
 * @param {string} key
 * @param {number} until
 */
function setUntil(tx, key, until) {
  const sql =
    'INSERT INTO _fathom_log_attempts (key, until) VALUES ({:key}, {:until}) ON CONFLICT (key) DO UPDATE SET until = {:until}';
  run(tx, sql, { key, until });
}

/**
 * @param {CoreApp} tx
 * @param {string} sql
 * @param {{ [name: string]: string | number }} values
 */
function run(tx, sql, values) {
  tx.auxDB().newQuery(sql).bind(values).execute();
}

/**
 * @param {core.RecordAuthWithPasswordRequestEvent & { requestEvent?: core.RequestEvent }} e
 * @param {number} waitMs
 */
function refusal(e, waitMs) {
  const seconds = Math.ceil(waitMs / 1000);
  const headers = (e.requestEvent || e).response.header();
  headers.set('Retry-After', String(seconds));
  headers.set('Access-Control-Expose-Headers', 'Retry-After');
  return new TooManyRequestsError(`Too many sign-ins have failed. Try again in ${seconds} s.`);
}

// Frozen: hooks of applications run in the same runtime.
module.exports = Object.freeze({ begin });
