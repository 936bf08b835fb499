// SQL that a developer writes: queries of views, and indexes. PocketBase runs both as they are written.

/** Tables with secrets or with what Fathom manages, and tables of SQLite itself. */
const CLOSED_TABLES =
  /_superusers|_collections|_params|_externalauths|_mfas|_otps|_authorigins|_migrations|_fathom|sqlite_|pragma_|dbstat/i;
const NAME = '[`"[]?(\\w+)[`"\\]]?';
const INDEX = new RegExp(
  `^\\s*CREATE\\s+(?:UNIQUE\\s+)?INDEX\\s+(?:IF\\s+NOT\\s+EXISTS\\s+)?${NAME}\\s+ON\\s+${NAME}\\s*\\([^;]*\\)(?:\\s*WHERE\\s[^;]*)?;?\\s*$`,
  'i',
);

/**
 * Why a query cannot be used as a view; null when it can.
 *
 * @param {string} query
 */
function queryProblem(query) {
  if (query.replace(/;\s*$/, '').includes(';')) return 'A query is one statement. Remove the semicolon.';
  const [table] = CLOSED_TABLES.exec(query) || [];
  return table === undefined ? null : `A query cannot use ${table}, which only Fathom and PocketBase read.`;
}

/**
 * Why an index cannot be created; null when it can.
 *
 * @param {string} index
 */
function indexProblem(index) {
  return INDEX.test(index)
    ? null
    : `This index is not of the form CREATE INDEX name ON collection (fields) WHERE condition: ${index.slice(0, 200)}`;
}

module.exports = Object.freeze({ indexProblem, queryProblem });
