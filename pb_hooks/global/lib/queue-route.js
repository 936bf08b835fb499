// From a request to an operation of the queue and back. Rows leave SQLite as JSON text and go out as they are: goja would
// only take them apart and put them together again.

const queue = require(`${__hooks}/lib/queue.js`);
const admin = require(`${__hooks}/lib/queue-admin.js`);

const operations = { ...queue.operations, ...admin.operations };

function answer(e) {
  // Not requestInfo(), which copies every header: this is the queue's hot path.
  const token = $os.getenv('FATHOM_HOOK_TOKEN');
  if (token === '' || !$security.equal(e.request.header.get('X-Fathom-Hook-Token'), token)) {
    throw new NotFoundError();
  }
  const operation = operations[e.request.pathValue('operation')];
  if (!operation) throw new NotFoundError();
  const body = JSON.parse(toString(e.request.body));
  let text = '';
  e.app.runInTransaction((tx) => {
    text = operation(tx, body);
  });
  return e.string(200, text);
}

module.exports = { answer };
