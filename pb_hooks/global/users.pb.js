/// Sign-ups and sign-ins at the global PocketBase create a database, as those of Fathom's API do.

onBootstrap((e) => {
  e.next();
  // At the very first start the tables do not exist yet; then a migration does this.
  if (e.app.hasTable('users') && e.app.findCollectionByNameOrId('users').fields.getByName('role')) {
    require(`${__hooks}/lib/admin.js`).ensureAdmin(e.app);
  }
});

onRecordCreateRequest((e) => {
  const { callDaemon, isFromDaemon } = require(`${__hooks}/lib/daemon.js`);
  // The audit log and envelopes refer to users by id, so a new user must not choose the id of a deleted one.
  if (e.record.id !== '' && !e.hasSuperuserAuth()) {
    throw new BadRequestError('Failed to create record.', {
      id: new ValidationError('validation_not_allowed', 'Fathom sets the id; leave it out.'),
    });
  }
  if (!e.record.get('role')) e.record.set('role', 'user');
  if (e.requestInfo().body['is_active'] === undefined) e.record.set('is_active', true);

  e.next();

  if (e.record.get('role') === 'user' && !isFromDaemon(e)) {
    const created = { user_id: e.record.id, email: e.record.email(), verified: e.record.verified() };
    callDaemon(e.app, '/internal/users/created', created, 3);
  }
}, 'users');

// CreateUserRequest → the account. The API of records would hash the password twice, and that is most of the work of a sign-up.
routerAdd(
  'POST',
  '/api/fathom/users',
  (e) => {
    const { body } = e.requestInfo();
    const record = new Record(e.app.findCollectionByNameOrId('users'));
    const form = new RecordUpsertForm(e.app, record);
    form.grantSuperuserAccess();
    form.load(body);
    require(`${__hooks}/lib/invitations.js`).present(e.app, record, body['invitation']);
    require(`${__hooks}/lib/sign-ups.js`).noteJudged(record, body);
    form.submit();
    $apis.enrichRecord(e, record);
    return e.json(200, record);
  },
  $apis.requireSuperuserAuth(),
);

onRecordUpdateRequest((e) => {
  require(`${__hooks}/lib/passwords.js`).checkOldPassword(e);
  e.next();
}, 'users');

onRecordAuthRequest((e) => {
  require(`${__hooks}/lib/trash.js`).requireKept(e.app, e.record);
  const { callDaemon, isFromDaemon } = require(`${__hooks}/lib/daemon.js`);
  if (e.record.get('role') === 'user' && !isFromDaemon(e)) {
    const { fixedEndOf } = require(`${__hooks}/rules/accounts.js`);
    const { exp, refreshable } = $security.parseUnverifiedJWT(e.token);
    const signedIn = {
      user_id: e.record.id,
      email: e.record.email(),
      expires_at_s: fixedEndOf({ exp, refreshable }),
    };
    const response = callDaemon(e.app, '/internal/users/signed-in', signedIn, 30);
    const meta = e.meta ? JSON.parse(JSON.stringify(e.meta)) : {};
    meta.database = response ? response.database : null;
    e.meta = meta;
  }
  e.next();
}, 'users');
