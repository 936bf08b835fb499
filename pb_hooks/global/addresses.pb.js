/// One rule for e-mail addresses at every door (lib/addresses.js).

for (const on of [onRecordCreate, onRecordUpdate]) {
  on((e) => {
    const addresses = require(`${__hooks}/lib/addresses.js`);
    if (!addresses.hasKeys(e.app)) return e.next();
    addresses.prepare(e.record);
    try {
      e.next();
    } catch (error) {
      // Two at the same moment, of whom the index refuses one.
      if (/email_key: Value must be unique/.test(String(error))) throw addresses.taken();
      throw error;
    }
  }, 'users');
}

onRecordValidate((e) => {
  const addresses = require(`${__hooks}/lib/addresses.js`);
  if (addresses.hasKeys(e.app)) addresses.check(e.app, e.record);
  e.next();
}, 'users');

// PocketBase has looked for the address as it was sent.
onRecordAuthWithPasswordRequest((e) => {
  if (!e.record) e.record = require(`${__hooks}/lib/addresses.js`).findByAddress(e.app, e.identity);
  e.next();
}, 'users');

onRecordRequestOTPRequest((e) => {
  const { email } = e.requestInfo().body;
  if (!e.record) e.record = require(`${__hooks}/lib/addresses.js`).findByAddress(e.app, String(email));
  e.next();
}, 'users');

// A provider tells an address only when the person has proved to have it. PocketBase calls an account verified when the
// letters are the same, and until then each sign-in by a provider takes it over again.
onRecordAuthWithOAuth2Request((e) => {
  const { findByAddress, isSameMailbox } = require(`${__hooks}/lib/addresses.js`);
  const { email } = e.oAuth2User;
  if (!e.record && email !== '') {
    const found = findByAddress(e.app, email);
    // Otherwise a new account is made, which is refused as the address is taken.
    e.record = found && isSameMailbox(found.email(), email) ? found : null;
    e.isNewRecord = !e.record;
  }
  if (e.record && !e.record.verified() && isSameMailbox(e.record.email(), email)) e.record.setEmail(email);
  e.next();
}, 'users');
