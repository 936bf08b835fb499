// Limits of requests at the global PocketBase, for everyone but the daemon and superusers.

/** Bytes. Users have no files here. PocketBase itself reads up to 32 MB into memory before it asks who sends them. */
const MAX_BODY = 64 * 1024;

/**
 * Why a body is refused before it is read; null if it is not.
 *
 * @param {number} length bytes; -1 if the client does not send it
 */
function bodyProblem(length) {
  if (length < 0) return { status: 411, message: 'The request has no Content-Length. Send one.' };
  if (length > MAX_BODY) return { status: 413, message: `The body is larger than ${MAX_BODY} bytes.` };
  return null;
}

/**
 * Whether a request confirms a new e-mail address, with the password of the account.
 *
 * @param {string} path
 */
function isEmailChange(path) {
  return path.endsWith('/confirm-email-change');
}

module.exports = { bodyProblem, isEmailChange, MAX_BODY };
