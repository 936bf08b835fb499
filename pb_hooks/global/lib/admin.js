// The first administrator, from the environment that the daemon gives to the global PocketBase alone. The environment
// has the last word: changing PB_ADMIN_PASSWORD and restarting is the way back in for whoever forgot it.

const { findByAddress } = require(`${__hooks}/lib/addresses.js`);
const { orNull } = require(`${__hooks}/lib/rows.js`);

module.exports = {
  ensureAdmin(app) {
    const email = $os.getenv('PB_ADMIN_EMAIL');
    const password = $os.getenv('PB_ADMIN_PASSWORD');
    if (!email || !password) return;

    for (const collection of ['_superusers', 'users']) {
      let record =
        collection === 'users'
          ? findByAddress(app, email)
          : orNull(() => app.findAuthRecordByEmail(collection, email));
      if (record) {
        if (record.validatePassword(password) && (collection !== 'users' || record.get('role') === 'admin'))
          continue;
      } else {
        record = new Record(app.findCollectionByNameOrId(collection));
        record.setEmail(email);
      }
      if (collection === 'users') {
        record.set('role', 'admin');
        record.set('is_active', true);
        record.setVerified(true);
      }
      if (!record.validatePassword(password)) record.setPassword(password);
      // Without validation: a field that was made required must not keep the daemon from starting.
      app.saveNoValidate(record);
    }
  },
};
