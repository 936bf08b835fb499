// From a request to an operation of the queue and back. Rows leave SQLite as JSON text and are sent as they are: parsing and
// serializing them in goja would only take time.

const database = require('./database.js');
const admin = require('./admin.js');
const work = require('./work.js');
const execution = require('./execution.js');

const { reading, single, transaction } = database;
const { modeOf, storageErrorOf } = execution;

/** @typedef {import('./execution.js').Operation} Operation */

const TOKEN = $os.getenv('FATHOM_HOOK_TOKEN');
/** @type {Map<string, Operation>} */
const operations = new Map(Object.entries({ ...work.operations, ...admin.operations }));

/**
 * @param {Operation} operation
 * @param {any} body
 */
function perform(operation, body) {
  const mode = modeOf(operation, single, body);
  if (mode === 'read') return operation.run(reading, body);
  if (mode === 'single') return operation.run(single, body);
  let text = '';
  $app.runInTransaction((tx) => {
    text = operation.run(transaction(tx), body);
  });
  return text;
}

/** @param {core.RequestEvent} e */
function answer(e) {
  const { request } = e;
  // Not requestInfo(), which copies every header: this is the hot path of the queue.
  if (TOKEN === '' || !$security.equal(request.header.get('X-Fathom-Hook-Token'), TOKEN)) {
    throw new NotFoundError();
  }
  const until = Number(request.header.get('X-Fathom-Until'));
  if (until < Date.now()) throw new ApiError(503, 'the request timed out before it was read');
  const operation = operations.get(request.pathValue('operation'));
  if (!operation) throw new NotFoundError();
  const body = { ...JSON.parse(toString(request.body)), until };
  try {
    return e.string(200, perform(operation, body));
  } catch (error) {
    const reason = storageErrorOf(error);
    if (reason) throw new ApiError(503, reason);
    // PocketBase would hide the reason. Only the daemon and its workers see this response.
    throw new BadRequestError(String(error).slice(0, 300));
  }
}

module.exports = { answer };
