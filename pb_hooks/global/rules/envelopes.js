// Where the control plane stores envelopes, and the statements for the rotation of the master key.

/**
 * Per table: the column of the envelope, and the column that identifies the owner of the secret.
 *
 * @type {Readonly<Record<string, { field: string, owner: string }>>}
 */
const ENVELOPES = {
  user_databases: { field: 'superuser_secret', owner: 'user' },
  global_queue: { field: 'secrets', owner: 'id' },
  sealed_secrets: { field: 'envelope', owner: 'name' },
};

const tables = Object.keys(ENVELOPES);

/**
 * @param {string} table
 * @returns null for a table without envelopes
 */
function envelopesOf(table) {
  const columns = tables.includes(table) ? ENVELOPES[table] : undefined;
  if (!columns) return null;
  const { field, owner } = columns;
  return {
    /** @param {string} ownerId */
    belongsTo: (ownerId) => `${table}/${ownerId}/${field}`,
    /** Parameters: after, current, limit. */
    outdated: `SELECT id, ${owner} AS owner, ${field} AS envelope FROM ${table}
       WHERE ${field} != '' AND substr(${field}, 1, length({:current})) != {:current} AND id > {:after}
       ORDER BY id LIMIT {:limit}`,
    /** Parameters: id, old, fresh. */
    replace: `UPDATE ${table} SET ${field} = {:fresh} WHERE id = {:id} AND ${field} = {:old}`,
    /** An envelope begins with `v1.` and the id of its master key. */
    counts: `SELECT substr(${field}, 4, instr(substr(${field}, 4), '.') - 1) AS key_id, COUNT(*) AS count
         FROM ${table} WHERE ${field} != '' GROUP BY 1 ORDER BY 1`,
  };
}

module.exports = { envelopesOf, tables };
