// Accounts by e-mail address, and the checks before an account is saved. rules/addresses.js has the rule itself.

const rows = require('./rows.js');
const rule = require('../rules/addresses.js');

const { orNull } = rows;
const { keyOf, markRange, problemOf } = rule;

/**
 * The account with this address, ignoring the case of ASCII letters, or else the account whose address has the same key.
 *
 * @param {CoreApp} app
 * @param {string} address
 */
function findByAddress(app, address) {
  const exact = orNull(() => app.findAuthRecordByEmail('users', address));
  if (exact || !hasKeys(app)) return exact;
  return orNull(() => app.findFirstRecordByData('users', 'email_key', keyOf(address)));
}

/**
 * False before the migration that adds the keys.
 *
 * @param {CoreApp} app
 */
function hasKeys(app) {
  return Boolean(app.findCachedCollectionByNameOrId('users').fields.getByName('email_key'));
}

/** @param {core.Record} record */
function hasNewAddress(record) {
  return record.isNew() || record.email() !== record.original().email();
}

/**
 * Before a record is saved: normalizes a new address and sets its key.
 *
 * @param {core.Record} record
 */
function prepare(record) {
  if (!hasNewAddress(record)) return;
  const email = record.email();
  record.setEmail(email.normalize('NFC'));
  record.set('email_key', keyOf(email));
}

/**
 * @param {CoreApp} app
 * @param {core.Record} record
 * @throws BadRequestError if a new address is invalid or another account has it
 */
function check(app, record) {
  if (!hasNewAddress(record)) return;
  const email = record.email();
  const problem = problemOf(email);
  if (problem) throw refusal(problem);
  const key = keyOf(email);
  const others = new DynamicModel({ count: 0 });
  app
    .db()
    .newQuery(
      'SELECT count(*) AS count FROM users ' +
        'WHERE id != {:id} AND (email_key = {:key} OR (email_key > {:from} AND email_key < {:to}))',
    )
    .bind({ id: record.id, key, ...markRange(key) })
    .one(others);
  if (others.count > 0) throw taken();
}

function taken() {
  return refusal({ code: 'validation_not_unique', message: 'Value must be unique.' });
}

/** @param {{ code: string, message: string }} problem */
function refusal({ code, message }) {
  return new BadRequestError('The e-mail address is refused.', { email: new ValidationError(code, message) });
}

module.exports = { check, findByAddress, hasKeys, prepare, taken };
