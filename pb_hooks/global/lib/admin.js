// The first administrator. The daemon passes the credentials to the global PocketBase in its environment. They win over the
// stored ones: to reset a forgotten password, change PB_ADMIN_PASSWORD and restart.

const addresses = require('./addresses.js');
const rows = require('./rows.js');

const { findByAddress } = addresses;
const { orNull } = rows;

/** @param {CoreApp} app */
function ensureAdmin(app) {
  const email = $os.getenv('PB_ADMIN_EMAIL');
  const password = $os.getenv('PB_ADMIN_PASSWORD');
  if (!email || !password) return;

  for (const collection of ['_superusers', 'users']) {
    const isUser = collection === 'users';
    let record = isUser
      ? findByAddress(app, email)
      : orNull(() => app.findAuthRecordByEmail(collection, email));
    if (record) {
      if (record.validatePassword(password) && (!isUser || record.get('role') === 'admin')) continue;
    } else {
      record = new Record(app.findCollectionByNameOrId(collection));
      record.setEmail(email);
    }
    if (isUser) {
      record.set('role', 'admin');
      record.set('is_active', true);
      record.setVerified(true);
    }
    if (!record.validatePassword(password)) record.setPassword(password);
    // Without validation: a field that became required later must not prevent the start of the daemon.
    app.saveNoValidate(record);
  }
}

module.exports = { ensureAdmin };
