// Limits of bodies that PocketBase stores in temporary files, before it reads them.

/** Bytes. PocketBase keeps the smaller bodies in memory. */
const MAX_SMALL = 8 * 1024 * 1024;
/** The bytes of large bodies that are being received, in the store of the process. */
const RECEIVING = 'fathom_uploads';

/** @param {core.RequestEvent} e */
function admit(e) {
  const length = e.request.contentLength;
  if ((length >= 0 && length <= MAX_SMALL) || isFathom(e)) return e.next();
  if (length < 0) throw refusal(411, 'The request has no Content-Length. Send one.');
  if (!e.auth) throw refusal(413, `Sign in to send more than ${MAX_SMALL} bytes.`);
  /** @type {{ max_bytes: number }} */
  const { max_bytes: max } = JSON.parse(toString($os.readFile(`${__hooks}/_fathom/limit-uploads.json`)));
  if (length > max) throw refusal(413, `The body is larger than ${max} bytes.`);
  if (add(e.app, length) > max) {
    add(e.app, -length);
    throw refusal(429, 'Other uploads are in progress. Try again later.');
  }
  try {
    return e.next();
  } finally {
    add(e.app, -length);
  }
}

/**
 * The owner of a developer's database is a superuser, too.
 *
 * @param {core.RequestEvent} e
 */
function isFathom(e) {
  return e.auth && e.hasSuperuserAuth() && e.auth.email() === 'fathom@localhost.internal';
}

/**
 * Returns the new sum. The store is locked meanwhile, because every request has a runtime of its own.
 *
 * @param {CoreApp} app
 * @param {number} bytes
 */
function add(app, bytes) {
  let sum = 0;
  app.store().setFunc(RECEIVING, (/** @type {number | null} */ before) => {
    sum = Math.max(0, (before || 0) + bytes);
    return sum;
  });
  return sum;
}

/**
 * @param {number} status
 * @param {string} message
 */
function refusal(status, message) {
  return new ApiError(status, message, { database: new ValidationError('over_uploads', message) });
}

// Frozen: hooks of applications run in the same runtime.
module.exports = Object.freeze({ admit });
