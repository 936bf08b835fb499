// Sessions of Fathom's API.

/**
 * Opens a session, and ends the least recently renewed ones of the user beyond the limit.
 *
 * @param {CoreApp} tx
 * @param {import('../../../shared/hooks/control-plane-routes.ts').OpenSessionRequest} session
 */
function openSession(tx, { hash, user, user_agent, address, expires_at, limit }) {
  const row = new Record(tx.findCollectionByNameOrId('sessions'));
  row.set('hash', hash);
  row.set('user', user);
  row.set('user_agent', user_agent);
  row.set('address', address);
  row.set('expires_at', expires_at);
  tx.save(row);
  if (limit === null) return;
  const order = '-expires_at,-created';
  const over = tx.findRecordsByFilter('sessions', 'user = {:user}', order, 100, limit, {
    user: String(user),
  });
  // As records, so that a hook reports their end to the daemon.
  for (const old of over) if (old) tx.delete(old);
}

module.exports = { openSession };
