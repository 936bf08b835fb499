// Requests that check a password besides sign-ins. A wrong password counts as a failed sign-in of the account.

const daemon = require('./daemon.js');
const signIn = require('./sign-in.js');

const { callDaemon, isFromDaemon, originOf } = daemon;
const { refuse } = signIn;

/**
 * Checks a password, and reports the outcome to the daemon.
 *
 * @param {core.RequestEvent} e
 * @param {core.Record} record
 * @param {string} password
 * @returns {boolean}
 * @throws {TooManyRequestsError} if too many passwords were wrong
 */
function isPasswordOf(e, record, password) {
  const attempt = { collection: record.collection().name, identity: record.email(), ...originOf(e) };
  const verdict = callDaemon(e.app, '/internal/sign-ins/begun', attempt, 3);
  if (verdict && verdict.retry_after_s) refuse(e, 'Too many passwords were wrong.', verdict.retry_after_s);
  const ok = record.validatePassword(password);
  callDaemon(
    e.app,
    '/internal/sign-ins/ended',
    { ...attempt, action: 'password-check', ok, attempt: verdict ? verdict.attempt : '', user_id: record.id },
    3,
  );
  return ok;
}

/**
 * Checks the old password of a request that changes an account.
 *
 * @param {core.RecordRequestEvent} e
 */
function checkOldPassword(e) {
  const password = textOf(e.requestInfo().body['oldPassword']);
  // PocketBase asks superusers for no old password, and refuses an empty one.
  if (password === '' || isFromDaemon(e) || e.hasSuperuserAuth()) return;
  if (isPasswordOf(e, e.record.original(), password)) return;
  throw new BadRequestError('Failed to update record.', {
    oldPassword: new ValidationError('validation_invalid_old_password', 'Missing or invalid old password.'),
  });
}

/**
 * Checks the password of a request that confirms a new e-mail address. PocketBase checks it before its own hook.
 *
 * @param {core.RequestEvent} e
 */
function checkEmailChange(e) {
  const body = e.requestInfo().body;
  const password = textOf(body['password']);
  const record = accountOf(e.app, textOf(body['token']));
  if (password === '' || !record || isPasswordOf(e, record, password)) return;
  throw new BadRequestError('An error occurred while validating the submitted data.', {
    password: new ValidationError('validation_invalid_password', 'Missing or invalid auth record password.'),
  });
}

/**
 * The account of a token for a new e-mail address; null for a token that PocketBase refuses, without a check of the password.
 *
 * @param {CoreApp} app
 * @param {string} token
 */
function accountOf(app, token) {
  try {
    return app.findAuthRecordByToken(token, 'emailChange');
  } catch {
    return null;
  }
}

/**
 * A value of a body as PocketBase reads it into a text.
 *
 * @param {unknown} value
 */
function textOf(value) {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

module.exports = { checkEmailChange, checkOldPassword };
