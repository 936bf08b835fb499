const { rowsOf } = require(`${__hooks}/lib/rows.js`);

// Every envelope of the control plane: its table, its field, and the column that names whose it is.
const ENVELOPES = {
  user_databases: { field: 'superuser_secret', owner: 'user' },
  global_queue: { field: 'secrets', owner: 'id' },
  sealed_secrets: { field: 'envelope', owner: 'name' },
};

/** @throws NotFoundError for a table without envelopes */
function placeOf(collection) {
  if (!Object.keys(ENVELOPES).includes(collection)) throw new NotFoundError('There are no envelopes.');
  return ENVELOPES[collection];
}

/** {after, limit, current} → those that do not begin with `current`, in the order of their ids. */
function outdated(app, collection, { after, limit, current }) {
  const { field, owner } = placeOf(collection);
  const query = app
    .db()
    .newQuery(
      `SELECT id, ${owner} AS owner, ${field} AS envelope FROM ${collection}
       WHERE ${field} != '' AND substr(${field}, 1, length({:current})) != {:current} AND id > {:after}
       ORDER BY id LIMIT {:limit}`,
    )
    .bind({ after: String(after), limit: Number(limit), current: String(current) });
  return rowsOf(query, new DynamicModel({ id: '', owner: '', envelope: '' }), (row) => ({
    id: row.id,
    belongs_to: `${collection}/${row.owner}/${field}`,
    envelope: row.envelope,
  }));
}

/** False when it is not the envelope that was read any more. */
function replace(app, collection, { id, old, fresh }) {
  const { field } = placeOf(collection);
  return (
    app
      .db()
      .newQuery(`UPDATE ${collection} SET ${field} = {:fresh} WHERE id = {:id} AND ${field} = {:old}`)
      .bind({ id: String(id), old: String(old), fresh: String(fresh) })
      .execute()
      .rowsAffected() === 1
  );
}

/** How many each master key has sealed, table by table. */
function counts(app) {
  return Object.keys(ENVELOPES).flatMap((collection) => {
    const { field } = ENVELOPES[collection];
    const query = app.db().newQuery(
      `SELECT substr(${field}, 4, instr(substr(${field}, 4), '.') - 1) AS key_id, COUNT(*) AS count
         FROM ${collection} WHERE ${field} != '' GROUP BY 1 ORDER BY 1`,
    );
    return rowsOf(query, new DynamicModel({ key_id: '', count: 0 }), ({ key_id, count }) => ({
      collection,
      key_id,
      count,
    }));
  });
}

module.exports = { collections: Object.keys(ENVELOPES), outdated, replace, counts };
