// Runs the statements of the queue in PocketBase.

const rowReader = require('../lib/rows.js');

const { rowsOf } = rowReader;

/**
 * @typedef {import('./sql.js').Database} Database
 * @typedef {import('./sql.js').Parameters} Parameters
 */

const found = new DynamicModel({ row: '' });

/**
 * @param {(text: string) => dbx.Query} queryOf
 * @param {boolean} inTransaction
 * @returns {Database}
 */
function runner(queryOf, inTransaction) {
  /** @type {Database['rows']} */
  const rows = (text, parameters) => rowsOf(queryOf(text).bind(parameters || {}), found, ({ row }) => row);
  return {
    inTransaction,
    rows,
    firstRow(text, parameters) {
      const [first] = rows(text, parameters);
      return first === undefined ? null : first;
    },
    execute: (text, parameters) =>
      queryOf(text)
        .bind(parameters || {})
        .execute()
        .rowsAffected(),
  };
}

/** @param {CoreApp} tx */
const transaction = (tx) => runner((text) => tx.db().newQuery(text), true);

/** Readers and the writer do not wait for each other. */
const reading = runner((text) => $app.concurrentDB().newQuery(text), false);

/** @type {{ [text: string]: dbx.Query }} */
const prepared = {};

/**
 * Runs each statement by itself, and prepares it once: compiling a statement of the queue takes longer than running it. Only for
 * texts that do not vary. It uses the one writing connection, as transactions do, so writes are serialized.
 */
const single = runner((text) => (prepared[text] ??= $app.nonconcurrentDB().newQuery(text).prepare()), false);

module.exports = { transaction, reading, single };
