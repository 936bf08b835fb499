/**
 * What `take` makes of each row, with which `model` is filled one after the other. PocketBase's all() takes an error after
 * the first row for the end of the rows, and a statement that writes commits after its last one: on a full disk it would
 * look as if it had been done (docs/decisions/0015-complete-reads.md).
 *
 * @throws the error of the database, wherever it comes up
 */
function rowsOf(query, model, take) {
  const rows = query.rows();
  // Each look at a method of Go's makes a function anew.
  const { next, scanStruct } = rows;
  const taken = [];
  try {
    while (next()) {
      scanStruct(model);
      taken.push(take(model));
    }
  } catch (error) {
    rows.close();
    throw error;
  }
  rows.err();
  return taken;
}

/**
 * What one of PocketBase's finders finds, or null where there is no such row.
 *
 * @throws any other error: what could not be read may well be there
 */
function orNull(find) {
  try {
    return find();
  } catch (error) {
    if (/no rows in result set/.test(String(error))) return null;
    throw error;
  }
}

module.exports = { rowsOf, orNull };
