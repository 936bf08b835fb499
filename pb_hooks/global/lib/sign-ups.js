// Sign-ups and passwords. The daemon decides (daemon/accounts/sign-up).

const daemon = require('./daemon.js');
const invitations = require('./invitations.js');
const signIn = require('./sign-in.js');

const { callDaemon, originOf } = daemon;

/**
 * Continues with a sign-up if the daemon admits it, and reports how it ended. Without the daemon there are no sign-ups: mode and
 * limits are unknown.
 *
 * @param {core.RecordRequestEvent} e
 */
function signUp(e) {
  const invited = invitations.isPresented(e.requestInfo().body['invitation']);
  const verdict = callDaemon(e.app, '/internal/sign-ups/begun', { ...originOf(e), invited }, 30);
  if (!verdict) throw new ApiError(503, 'Sign-ups are not possible at the moment. Try again later.', {});
  if (verdict.refusal) {
    const { status, message, retry_after_s } = verdict.refusal;
    if (retry_after_s) signIn.refuse(e, 'Too many sign-ups.', retry_after_s);
    throw new ApiError(status, message, {});
  }
  let userId = '';
  try {
    invitations.present(e.app, e.record, e.requestInfo().body['invitation']);
    e.next();
    userId = e.record?.id ?? '';
  } finally {
    callDaemon(e.app, '/internal/sign-ups/ended', { attempt: verdict.attempt, user_id: userId }, 3);
  }
}

/** In the body of the daemon's requests, and in the record: the daemon has judged the password. No field has this name. */
const STRONG_PASSWORD = '@strong_password';

/**
 * @param {core.Record} record
 * @param {Record<string, unknown>} body of a request of the daemon
 */
function noteJudged(record, body) {
  if (body[STRONG_PASSWORD] === true) record.setRaw(STRONG_PASSWORD, true);
}

/**
 * Without the daemon a password is accepted: a person must still be able to replace a stolen one.
 *
 * @param {core.RecordEvent} e
 * @throws BadRequestError if the record has a new password that is easy to guess
 */
function checkPassword(e) {
  // Empty unless this save sets a password.
  const password = e.record?.getString('password') ?? '';
  if (password === '' || e.record?.get(STRONG_PASSWORD) === true) return;
  const account = { password, email: e.record?.email() ?? '', name: e.record?.getString('name') ?? '' };
  const verdict = callDaemon(e.app, '/internal/passwords/judge', account, 10);
  if (!verdict?.problem) return;
  throw new BadRequestError('The password is refused.', {
    password: new ValidationError('validation_weak_password', verdict.problem),
  });
}

module.exports = { checkPassword, noteJudged, signUp };
