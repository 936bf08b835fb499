const rows = require('./rows.js');
const rule = require('../rules/envelopes.js');

const { rowsOf } = rows;
const { envelopesOf, tables } = rule;

/**
 * @typedef {import('../../../shared/hooks/control-plane-routes.ts').OutdatedRequest} OutdatedRequest
 * @typedef {import('../../../shared/hooks/control-plane-routes.ts').ReplaceRequest} ReplaceRequest
 * @typedef {import('../../../shared/hooks/control-plane-routes.ts').StoredEnvelope} StoredEnvelope
 * @typedef {import('../../../shared/hooks/control-plane-routes.ts').StoredSecrets} StoredSecrets
 */

/**
 * @param {string} table
 * @throws NotFoundError for a table without envelopes
 */
function findEnvelopes(table) {
  const envelopes = envelopesOf(table);
  if (!envelopes) throw new NotFoundError('This table has no envelopes.');
  return envelopes;
}

/**
 * Envelopes that do not begin with `current`, in the order of their ids.
 *
 * @param {CoreApp} app
 * @param {string} table
 * @param {OutdatedRequest} page
 * @returns {StoredEnvelope[]}
 */
function listOutdated(app, table, { after, limit, current }) {
  const envelopes = findEnvelopes(table);
  const query = app
    .db()
    .newQuery(envelopes.outdated)
    .bind({ after: String(after), limit: Number(limit), current: String(current) });
  return rowsOf(query, new DynamicModel({ id: '', owner: '', envelope: '' }), (row) => ({
    id: row.id,
    belongs_to: envelopes.belongsTo(row.owner),
    envelope: row.envelope,
  }));
}

/**
 * Replaces an envelope with one statement. Returns false if the envelope was changed in the meantime.
 *
 * @param {CoreApp} app
 * @param {string} table
 * @param {ReplaceRequest} request
 */
function replaceEnvelope(app, table, { id, old, fresh }) {
  const query = app.db().newQuery(findEnvelopes(table).replace);
  return (
    query
      .bind({ id: String(id), old: String(old), fresh: String(fresh) })
      .execute()
      .rowsAffected() === 1
  );
}

/**
 * Number of envelopes per table and master key.
 *
 * @param {CoreApp} app
 * @returns {StoredSecrets}
 */
function countEnvelopes(app) {
  const counts = tables.flatMap((collection) => {
    const query = app.db().newQuery(findEnvelopes(collection).counts);
    return rowsOf(query, new DynamicModel({ key_id: '', count: 0 }), ({ key_id, count }) => ({
      collection,
      key_id,
      count,
    }));
  });
  return { collections: tables, counts };
}

module.exports = { countEnvelopes, listOutdated, replaceEnvelope };
