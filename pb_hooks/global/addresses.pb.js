/// Applies the rule for e-mail addresses to every way of signing up and in (rules/addresses.js).

for (const on of [onRecordCreate, onRecordUpdate]) {
  on((e) => {
    const addresses = require(`${__hooks}/lib/addresses.js`);
    if (!addresses.hasKeys(e.app)) return e.next();
    addresses.prepare(e.record);
    try {
      e.next();
    } catch (error) {
      // Two requests at the same moment: the index refuses the second one.
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

// Before a mail goes to an address that the account could not have.
onRecordRequestEmailChangeRequest((e) => {
  const { problemOf } = require(`${__hooks}/rules/addresses.js`);
  const problem = problemOf(e.newEmail);
  if (problem) {
    throw new BadRequestError('The e-mail address is refused.', {
      newEmail: new ValidationError(problem.code, problem.message),
    });
  }
  e.next();
}, 'users');

// PocketBase has looked for the exact spelling.
onRecordAuthWithPasswordRequest((e) => {
  if (!e.record) e.record = require(`${__hooks}/lib/addresses.js`).findByAddress(e.app, e.identity);
  e.next();
}, 'users');

onRecordRequestOTPRequest((e) => {
  const { email } = e.requestInfo().body;
  if (!e.record) e.record = require(`${__hooks}/lib/addresses.js`).findByAddress(e.app, String(email));
  e.next();
}, 'users');

// A provider returns only addresses that it has verified. PocketBase marks an account as verified if the spelling is the same;
// as long as the account is not verified, each sign-in with a provider takes it over again.
onRecordAuthWithOAuth2Request((e) => {
  const { findByAddress } = require(`${__hooks}/lib/addresses.js`);
  const { isSameMailbox } = require(`${__hooks}/rules/addresses.js`);
  const { email } = e.oAuth2User;
  if (!e.record && email !== '') {
    const found = findByAddress(e.app, email);
    // For another mailbox PocketBase creates an account, which is refused: the address is taken.
    e.record = found && isSameMailbox(found.email(), email) ? found : null;
    e.isNewRecord = !e.record;
  }
  if (e.record && !e.record.verified() && isSameMailbox(e.record.email(), email)) e.record.setEmail(email);
  e.next();
}, 'users');
