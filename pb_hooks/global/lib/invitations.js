// Invitations to sign up. The daemon creates them (daemon/accounts/invitations); here they are used, in the transaction that
// creates the account.

const addresses = require('../rules/addresses.js');
const rows = require('./rows.js');

const { isSameMailbox } = addresses;
const { orNull } = rows;

/** 32 bytes in base64url. */
const TOKEN = /^[\w-]{43}$/;
/** Begins the keys of tickets in the store of the process. */
const TICKET = 'fathom_invitation_';
const COLUMNS = 'id, email, plan, iif(mailed, 1, 0) AS mailed';
const USABLE = 'hash = {:hash} AND uses < max_uses AND expires_at > {:now}';
const MESSAGE =
  'The invitation is not valid: it is unknown, has expired, was used or revoked, or is for another address.';

/**
 * Whether a request presents an invitation.
 *
 * @param {unknown} value of `invitation` in its body
 */
function isPresented(value) {
  return value !== undefined && value !== null && value !== '';
}

/**
 * Checks the invitation of a request before anything else is, so that only guests learn which addresses have an account. The
 * record carries the token to `use`: PocketBase ignores members of the body that are no fields.
 *
 * @param {CoreApp} app
 * @param {core.Record} record a new account
 * @param {unknown} token `invitation` of the body
 * @throws BadRequestError
 */
function present(app, record, token) {
  if (!isPresented(token)) return;
  const condition = `SELECT ${COLUMNS} FROM invitations WHERE ${USABLE}`;
  requireFor(record, find(app, condition, token));
  record.setRaw('invitation', token);
}

/**
 * Uses the invitation of a new account, and applies its plan. Two sign-ups cannot use the last place: SQLite runs one write
 * transaction after the other, and a refused sign-up takes its use back with its transaction.
 *
 * @param {CoreApp} tx
 * @param {core.Record} record
 * @returns {string} the id of the invitation
 * @throws BadRequestError
 */
function use(tx, record) {
  const token = record.get('invitation');
  // An administrator may have added a field of this name.
  record.set('invitation', '');
  const statement = `UPDATE invitations SET uses = uses + 1 WHERE ${USABLE} RETURNING ${COLUMNS}`;
  const invitation = requireFor(record, find(tx, statement, token));
  if (invitation.email !== '' && invitation.mailed === 1) record.setVerified(true);
  if (invitation.plan !== '') record.set('plan', invitation.plan);
  return invitation.id;
}

/**
 * Continues with a sign-in at a provider. A new account whose address the provider has verified uses the invitation for this
 * address, without its token. Only the hash of the token is known, so the data of the new account has a ticket in its place.
 *
 * @param {core.RecordAuthWithOAuth2RequestEvent} e
 */
function presentVerified(e) {
  const { email } = e.oAuth2User;
  const data = JSON.parse(JSON.stringify(e.createData ?? {}));
  // Not with another address: the invitation would refuse a sign-up that needs none.
  const isOther = typeof data.email === 'string' && data.email !== '' && !isSameMailbox(data.email, email);
  // PocketBase leaves out an address that the provider has not verified.
  const isVerified = e.isNewRecord && email !== '';
  const hash = isVerified && !isOther && !isPresented(data.invitation) ? hashFor(e.app, email) : null;
  if (hash === null) return e.next();
  const ticket = $security.randomString(43);
  e.app.store().set(TICKET + ticket, hash);
  try {
    e.createData = { ...data, invitation: ticket };
    return e.next();
  } finally {
    e.app.store().remove(TICKET + ticket);
  }
}

/**
 * The hash of the last usable invitation for an address; null without one.
 *
 * @param {CoreApp} app
 * @param {string} email
 */
function hashFor(app, email) {
  const now = new DateTime().string();
  const filter = "email != '' && expires_at > {:now}";
  const open = app.findRecordsByFilter('invitations', filter, '-created', 0, 0, { now });
  const found = open.find(
    (one) =>
      one && one.getInt('uses') < one.getInt('max_uses') && isSameMailbox(one.getString('email'), email),
  );
  return found?.getString('hash') ?? null;
}

/**
 * The row of a statement, or null if the token is not usable.
 *
 * @param {CoreApp} app
 * @param {string} statement
 * @param {unknown} token
 */
function find(app, statement, token) {
  if (typeof token !== 'string' || !TOKEN.test(token)) return null;
  const invitation = new DynamicModel({ id: '', email: '', plan: '', mailed: 0 });
  const hash = app.store().get(TICKET + token) ?? $security.sha256(token);
  const bound = { hash, now: new DateTime().string() };
  return orNull(() => {
    app.db().newQuery(statement).bind(bound).one(invitation);
    return invitation;
  });
}

/**
 * @param {core.Record} record
 * @param {ReturnType<typeof find>} invitation
 * @throws BadRequestError if there is none, or it is for another address
 */
function requireFor(record, invitation) {
  if (!invitation) throw invalid();
  if (invitation.email !== '' && !isSameMailbox(invitation.email, record.email())) throw invalid();
  return invitation;
}

function invalid() {
  return new BadRequestError(MESSAGE, {
    invitation: new ValidationError('validation_invalid_invitation', MESSAGE),
  });
}

module.exports = { isPresented, present, presentVerified, use };
