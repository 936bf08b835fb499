// Imports of collections that fail in a developer's database.

const CODE = 'validation_collections_import_failure';
/** Before the reason, in an answer of PocketBase. */
const RAW = /^.*?Raw error:\s*/s;
/** PocketBase validates the collections after it has saved all. */
const INVALID = /^Data validations failed for (collection "[^"]*").*?:\s*(\{.*\})\.?$/s;

/**
 * PocketBase has the reason in the data of its answer only, and the dashboard shows the message.
 *
 * @param {any} error of PocketBase
 * @returns {any} the error, with the collection, the field and the reason in its message
 */
function describeFailure(error) {
  const { collections } = JSON.parse(JSON.stringify((error.value && error.value.data) || {}));
  if (!collections || collections.code !== CODE) return error;
  const message = `Nothing was imported: ${reasonOf(collections.message)}`;
  return new BadRequestError(message, { collections: new ValidationError(CODE, collections.message) });
}

/** @param {string} text */
function reasonOf(text) {
  const invalid = INVALID.exec(text);
  if (invalid === null) return text.replace(RAW, '');
  const [, collection, fields = '{}'] = invalid;
  return `${collection} is not valid. ${problemsOf(JSON.parse(fields)).join(' ')}`;
}

/**
 * @param {unknown} problem a text, or an object with one for each field
 * @param {string} path
 * @returns {string[]}
 */
function problemsOf(problem, path = '') {
  if (typeof problem !== 'object' || problem === null) return [`${path}: ${String(problem)}`];
  return Object.entries(problem).flatMap(([name, inner]) =>
    problemsOf(inner, path === '' ? name : `${path}.${name}`),
  );
}

module.exports = Object.freeze({ describeFailure });
