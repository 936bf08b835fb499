// From a request to an operation of the queue and back. Rows leave SQLite as JSON text and go out as they are: goja would
// only take them apart and put them together again.

const sql = require(`${__hooks}/lib/queue-sql.js`);
const queue = require(`${__hooks}/lib/queue.js`);
const admin = require(`${__hooks}/lib/queue-admin.js`);

const operations = { ...queue.operations, ...admin.operations };

/** What needs no other statement to have been done is done without a transaction, which is much faster. */
function perform(app, name, body) {
  const operation = operations[name];
  if (admin.reads.includes(name)) return operation(sql.reading(app), body);
  const alone = sql.oneByOne(app);
  if (name === 'enqueue' || queue.standsAlone(alone, name, body)) return operation(alone, body);
  let text = '';
  app.runInTransaction((tx) => {
    text = operation(sql.transaction(tx), body);
  });
  return text;
}

function answer(e) {
  // Not requestInfo(), which copies every header: this is the queue's hot path.
  const token = $os.getenv('FATHOM_HOOK_TOKEN');
  if (token === '' || !$security.equal(e.request.header.get('X-Fathom-Hook-Token'), token)) {
    throw new NotFoundError();
  }
  const name = e.request.pathValue('operation');
  if (!Object.keys(operations).includes(name)) throw new NotFoundError();
  return e.string(200, perform(e.app, name, JSON.parse(toString(e.request.body))));
}

module.exports = { answer };
