/// Sign-ups and sign-ins at the global PocketBase provision a database just as those through Fathom's API do.

onBootstrap((e) => {
  e.next();
  // On the very first start the tables come later, and a migration does this.
  if (e.app.hasTable('users') && e.app.findCollectionByNameOrId('users').fields.getByName('role')) {
    require(`${__hooks}/lib/admin.js`).ensureAdmin(e.app);
  }
});

onRecordCreateRequest((e) => {
  const daemon = require(`${__hooks}/lib/daemon.js`);
  // The audit log and what is sealed name people by their id: nobody takes that of somebody who was there before.
  if (e.record.id !== '' && !e.hasSuperuserAuth()) {
    throw new BadRequestError('Failed to create record.', {
      id: new ValidationError('validation_not_allowed', 'Is given by Fathom; leave it out.'),
    });
  }
  if (!e.record.get('role')) e.record.set('role', 'user');
  if (e.requestInfo().body['is_active'] === undefined) e.record.set('is_active', true);

  e.next();

  if (e.record.get('role') === 'user' && !daemon.isFromDaemon(e)) {
    daemon.tell(e.app, '/internal/users/created', { user_id: e.record.id, email: e.record.email() }, 3);
  }
}, 'users');

onRecordAuthRequest((e) => {
  const daemon = require(`${__hooks}/lib/daemon.js`);
  if (e.record.get('role') === 'user' && !daemon.isFromDaemon(e)) {
    // A token that PocketBase does not renew (of an impersonation) gives none that outlives it.
    const { exp, refreshable } = $security.parseUnverifiedJWT(e.token);
    const signedIn = {
      user_id: e.record.id,
      email: e.record.email(),
      expires_at_s: refreshable ? null : exp,
    };
    const answer = daemon.tell(e.app, '/internal/users/signed-in', signedIn, 30);
    const meta = e.meta ? JSON.parse(JSON.stringify(e.meta)) : {};
    meta.database = answer ? answer.database : null;
    e.meta = meta;
  }
  e.next();
}, 'users');
