// From a request to an operation of the queue and back. Rows leave SQLite as JSON text and go out as they are: goja would
// only take them apart and put them together again.

const sql = require(`${__hooks}/lib/queue-sql.js`);
const queue = require(`${__hooks}/lib/queue.js`);
const admin = require(`${__hooks}/lib/queue-admin.js`);

const TOKEN = $os.getenv('FATHOM_HOOK_TOKEN');
const operations = new Map(Object.entries({ ...queue.operations, ...admin.operations }));

/** Nothing is wrong with the request: the disk is full, read-only or broken, or somebody keeps the database locked. */
const STORAGE =
  /disk is full|disk I\/O error|readonly database|malformed|unable to open database|database is locked/;

/** What needs no other statement to have been done is done without a transaction, which is much faster. */
function perform({ run, reads, alone }, body) {
  if (reads) return run(sql.reading, body);
  if (alone && alone(sql.oneByOne, body)) return run(sql.oneByOne, body);
  let text = '';
  $app.runInTransaction((tx) => {
    text = run(sql.transaction(tx), body);
  });
  return text;
}

function answer(e) {
  const { request } = e;
  // Not requestInfo(), which copies every header: this is the queue's hot path.
  if (TOKEN === '' || !$security.equal(request.header.get('X-Fathom-Hook-Token'), TOKEN)) {
    throw new NotFoundError();
  }
  const until = Number(request.header.get('X-Fathom-Until'));
  if (until < Date.now()) throw new ApiError(503, 'whoever asked has given up waiting');
  const operation = operations.get(request.pathValue('operation'));
  if (!operation) throw new NotFoundError();
  const body = { ...JSON.parse(toString(request.body)), until };
  try {
    return e.string(200, perform(operation, body));
  } catch (error) {
    const [reason] = STORAGE.exec(String(error)) || [];
    if (reason) throw new ApiError(503, reason);
    // PocketBase would hide the reason; only the daemon and its workers come here.
    throw new BadRequestError(String(error).slice(0, 300));
  }
}

module.exports = { answer };
