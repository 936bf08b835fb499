/// Mails of accounts: limits for strangers, and the delivery by the daemon, which has the mail server of the settings.

onMailerSend((e) => require(`${__hooks}/lib/mails.js`).deliver(e));

// The answer must not show whether the account exists or got too many mails.
onRecordRequestVerificationRequest((e) => {
  const { isAllowed } = require(`${__hooks}/lib/mails.js`);
  return isAllowed(e.app, 'verification', [e.record?.email() ?? '']) ? e.next() : e.noContent(204);
}, 'users');

onRecordRequestPasswordResetRequest((e) => {
  const { isAllowed } = require(`${__hooks}/lib/mails.js`);
  return isAllowed(e.app, 'password_reset', [e.record?.email() ?? '']) ? e.next() : e.noContent(204);
}, 'users');

// Without an account, PocketBase answers as if there were one.
onRecordRequestOTPRequest((e) => {
  const { isAllowed } = require(`${__hooks}/lib/mails.js`);
  if (e.record && !isAllowed(e.app, 'one_time_password', [e.record.email()])) e.record = null;
  e.next();
}, 'users');

// The mail goes to the new address, which can belong to another person.
onRecordRequestEmailChangeRequest((e) => {
  const { isAllowed } = require(`${__hooks}/lib/mails.js`);
  if (!isAllowed(e.app, 'email_change', [e.record?.email() ?? '', e.newEmail])) {
    throw new TooManyRequestsError('Too many mails were requested. Try again in an hour.');
  }
  e.next();
}, 'users');

// MessageRequest → SendMailResult
routerAdd(
  'POST',
  '/api/fathom/mails/message',
  (e) => {
    const { sendMessage } = require(`${__hooks}/lib/mails.js`);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').MessageRequest} */
    const body = e.requestInfo().body;
    return e.json(200, sendMessage(e.app, body));
  },
  $apis.requireSuperuserAuth(),
);

// SendMailRequest → SendMailResult
routerAdd(
  'POST',
  '/api/fathom/mails/send',
  (e) => {
    const { send } = require(`${__hooks}/lib/mails.js`);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').SendMailRequest} */
    const body = e.requestInfo().body;
    return e.json(200, send(e.app, body));
  },
  $apis.requireSuperuserAuth(),
);
