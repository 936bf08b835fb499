/// Invitations to sign up.

// Every way of signing up creates a record. A sign-up with a provider is in a transaction already.
onRecordCreateExecute((e) => {
  const { isPresented, use } = require(`${__hooks}/lib/invitations.js`);
  if (!isPresented(e.record?.get('invitation'))) return e.next();
  const { app } = e;
  try {
    app.runInTransaction((tx) => {
      e.app = tx;
      e.record.set('invitation_used', use(tx, e.record));
      e.next();
    });
  } finally {
    e.app = app;
  }
}, 'users');

onRecordAuthWithOAuth2Request((e) => require(`${__hooks}/lib/invitations.js`).presentVerified(e), 'users');

// After the transaction, because the daemon writes to the audit log.
onRecordAfterCreateSuccess((e) => {
  const invitation = String(e.record?.get('invitation_used') ?? '');
  if (invitation !== '') {
    const { callDaemon } = require(`${__hooks}/lib/daemon.js`);
    callDaemon(
      e.app,
      '/internal/invitations/used',
      { invitation, user_id: e.record.id, email: e.record.email() },
      3,
    );
  }
  e.next();
}, 'users');

onRecordValidate((e) => {
  const { problemOf } = require(`${__hooks}/rules/addresses.js`);
  const email = e.record?.getString('email') ?? '';
  const problem = email === '' ? null : problemOf(email);
  if (problem) {
    throw new BadRequestError('The e-mail address is refused.', {
      email: new ValidationError(problem.code, problem.message),
    });
  }
  e.next();
}, 'invitations');

cronAdd('fathom_expired_invitations', '20 3 * * *', () => {
  const bound = { before: new DateTime().addDate(0, 0, -30).string() };
  $app.db().newQuery('DELETE FROM invitations WHERE expires_at < {:before}').bind(bound).execute();
});
