const rows = require('./rows.js');

const { orNull } = rows;

/** More than the API allows in a chain. Only a row that was edited by hand can lead further. */
const MAX_CHAIN = 20;

/**
 * The key, the key that made it, and so on; null if one of them was deleted.
 *
 * @param {CoreApp} app
 * @param {core.Record} key
 * @returns {core.Record[] | null}
 */
function chainOf(app, key) {
  const chain = [key];
  for (let parent = key.getString('parent'); parent !== ''; ) {
    const id = parent;
    const next = orNull(() => app.findRecordById('api_keys', id));
    if (!next || chain.length === MAX_CHAIN) return null;
    chain.push(next);
    parent = next.getString('parent');
  }
  return chain;
}

/**
 * What the keys of a chain allow together: the earliest end, and all accounts that must be active.
 *
 * @param {CoreApp} app
 * @param {core.Record} key
 */
function limitsOf(app, key) {
  const chain = chainOf(app, key);
  if (!chain) return null;
  const ends = chain.map((one) => one.getString('expires_at')).filter((end) => end !== '');
  const owners = chain.map((one) => one.getString('user'));
  return {
    expires_at: ends.toSorted()[0] ?? '',
    owners,
    parents_active: owners.slice(1).every((owner) => {
      const user = orNull(() => app.findRecordById('users', owner));
      return Boolean(user && user.getBool('is_active'));
    }),
  };
}

/**
 * Deletes the keys of a user, and the keys that they made, also for other users.
 *
 * @param {CoreApp} app
 * @param {string} user
 */
function deleteKeysOf(app, user) {
  app
    .db()
    .newQuery(
      `WITH RECURSIVE ended (id) AS (
         SELECT id FROM api_keys WHERE user = {:user}
         UNION SELECT api_keys.id FROM api_keys JOIN ended ON api_keys.parent = ended.id
       )
       DELETE FROM api_keys WHERE id IN (SELECT id FROM ended)`,
    )
    .bind({ user })
    .execute();
}

module.exports = { deleteKeysOf, limitsOf };
