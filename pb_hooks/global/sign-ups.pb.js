/// The daemon admits sign-ups at the global PocketBase, also those with a provider, and judges every new password.

onRecordCreateRequest((e) => {
  const { isFromDaemon, isOfClient } = require(`${__hooks}/lib/daemon.js`);
  if (e.hasSuperuserAuth() || (isFromDaemon(e) && !isOfClient(e))) {
    require(`${__hooks}/lib/invitations.js`).present(e.app, e.record, e.requestInfo().body['invitation']);
    return e.next();
  }
  return require(`${__hooks}/lib/sign-ups.js`).signUp(e);
}, 'users');

// Every way of setting a password saves the account: sign-up, change, reset by mail, administrators.
onRecordValidate((e) => {
  require(`${__hooks}/lib/sign-ups.js`).checkPassword(e);
  e.next();
}, 'users');
