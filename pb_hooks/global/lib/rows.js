/**
 * Maps each row of a query. `model` is filled with one row after the other. PocketBase's all() treats an error after the first
 * row as the end of the rows, and a writing statement commits after its last row: on a full disk a failed write would look
 * successful (docs/decisions/0015-complete-reads.md).
 *
 * @template Result
 * @param {dbx.Query} query
 * @param {DynamicModel} model
 * @param {(model: DynamicModel) => Result} map
 * @returns {Result[]}
 * @throws the error of the database, from any row
 */
function rowsOf(query, model, map) {
  const rows = query.rows();
  // Looked up once: goja creates a new function for each access to a method of a Go value.
  const { next, scanStruct } = rows;
  const results = [];
  try {
    while (next()) {
      scanStruct(model);
      results.push(map(model));
    }
  } catch (error) {
    rows.close();
    throw error;
  }
  rows.err();
  return results;
}

/**
 * The result of one of PocketBase's finders, or null if there is no such row.
 *
 * @template Result
 * @param {() => Result} find
 * @returns {Result | null}
 * @throws any other error: after a failed read the row may exist
 */
function orNull(find) {
  try {
    return find();
  } catch (error) {
    if (/no rows in result set/.test(String(error))) return null;
    throw error;
  }
}

/**
 * The column `json` of a query with one row. SQLite writes the JSON of thousands of rows in a tenth of the time that goja
 * takes, and an error in any row fails the statement.
 *
 * @param {dbx.Query} query
 * @returns {string}
 */
function jsonOf(query) {
  const model = new DynamicModel({ json: '' });
  query.one(model);
  return model.json;
}

/**
 * @param {core.RequestEvent} e
 * @param {string} json
 */
function sendJson(e, json) {
  e.response.header().set('Content-Type', 'application/json');
  return e.string(200, json);
}

module.exports = { jsonOf, orNull, rowsOf, sendJson };
