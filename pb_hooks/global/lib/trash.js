const rows = require('./rows.js');

const { orNull } = rows;

/**
 * The row of a user's database while it is in the trash; null for any other.
 *
 * @param {CoreApp} app
 * @param {string} userId
 */
function findTrashed(app, userId) {
  const row = orNull(() => app.findFirstRecordByData('user_databases', 'user', userId));
  return row && row.getString('state') === 'trashed' ? row : null;
}

/**
 * Refuses a sign-in while the database of the account is in the trash.
 *
 * @param {CoreApp} app
 * @param {core.Record} user
 */
function requireKept(app, user) {
  const row = findTrashed(app, user.id);
  if (row) throw refusal(row);
}

/**
 * Continues with a sign-in. PocketBase refuses a deleted account as any that is not active, after it has checked the password
 * or code: the answer says until when the account can come back.
 *
 * @param {core.RecordAuthWithPasswordRequestEvent | core.RecordAuthWithOAuth2RequestEvent | core.RecordAuthWithOTPRequestEvent} e
 */
function explainRefusal(e) {
  try {
    e.next();
  } catch (error) {
    const isRefused = /collection requirements to authenticate/.test(String(error));
    const row = isRefused && e.record ? findTrashed(e.app, e.record.id) : null;
    throw row ? refusal(row) : error;
  }
}

/** @param {core.Record} row */
function refusal(row) {
  /** @param {string} field */
  const dayOf = (field) => row.getString(field).slice(0, 10);
  const what = row.getBool('with_account') ? 'The account' : 'The database of the account';
  const isOwn = row.getBool('deleted_by_owner');
  const remedy = isOwn
    ? 'you can bring it back: sign in on the page of Fathom, or use POST /api/v1/auth/undelete'
    : 'an administrator can bring it back';
  const message = `${what} was deleted on ${dayOf('deleted_at')} and is erased on ${dayOf('erase_at')}. Until then, ${remedy}.`;
  const code = isOwn ? 'deleted_by_owner' : 'database_deleted';
  return new ForbiddenError(message, { database: new ValidationError(code, message) });
}

module.exports = { explainRefusal, findTrashed, requireKept };
