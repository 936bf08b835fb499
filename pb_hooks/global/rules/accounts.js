// Decisions about accounts and their databases.

/**
 * @typedef {object} Credentials
 * @property {string} tokenKey
 * @property {string} password hash
 * @property {string} role
 */

/**
 * What ends with a change of an account. A new token key ends all tokens of the account at the global PocketBase; sessions end
 * with them. PocketBase sets a new key for a new password or address, Fathom for a deactivated account.
 *
 * A new password ends API keys: PocketBase also sets one when the owner of an address takes over an account, and then another
 * person may have made the keys. A new role ends them as well: they could do more than they were made for.
 *
 * @param {Credentials} before
 * @param {Credentials} after
 */
function endedCredentials(before, after) {
  const hasNewPassword = before.password !== after.password;
  return {
    sessions: hasNewPassword || before.tokenKey !== after.tokenKey,
    apiKeys: hasNewPassword || before.role !== after.role,
  };
}

/**
 * Whether an account can get a database now: 'forbidden', 'unverified', 'full', or null if it can.
 *
 * @param {{ role: string, isActive: boolean, verified: boolean }} user
 * @param {{ requireVerified: boolean, databases: number, maxDatabases: number | null }} fleet
 */
function refusalOfDatabase(user, fleet) {
  if (user.role !== 'user' || !user.isActive) return 'forbidden';
  if (fleet.requireVerified && !user.verified) return 'unverified';
  return fleet.maxDatabases !== null && fleet.databases >= fleet.maxDatabases ? 'full' : null;
}

/**
 * @param {string} day YYYY-MM-DD
 * @param {number} number counts from 1 on each day
 * @param {string} username
 */
function databaseName(day, number, username) {
  return `${day}-${String(number).padStart(3, '0')}-${username}`;
}

/**
 * The end of a token in seconds since 1970, or null if PocketBase refreshes it. Tokens of an impersonation are not refreshed:
 * a token of the own database must end with them.
 *
 * @param {{ exp: number, refreshable: boolean }} claims
 */
function fixedEndOf({ exp, refreshable }) {
  return refreshable ? null : exp;
}

module.exports = { databaseName, endedCredentials, fixedEndOf, refusalOfDatabase };
