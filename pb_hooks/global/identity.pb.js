/// Sessions and API keys: who stands behind a hash, and what ends with an account, its password or its activity.

// {kind: 'session' | 'key', hash | id, user?} → {id, expires_at, permissions, user}. `id` is null when there is no such row any
// more; `user` is then the one that was named.
routerAdd(
  'POST',
  '/api/fathom/identity/resolve',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const body = e.requestInfo().body;
    const collection = body.kind === 'key' ? 'api_keys' : 'sessions';
    const row = orNull(() =>
      body.id
        ? e.app.findRecordById(collection, String(body.id))
        : e.app.findFirstRecordByData(collection, 'hash', String(body.hash)),
    );
    const userId = row ? row.get('user') : String(body.user || '');
    const user = orNull(() => e.app.findRecordById('users', userId));
    return e.json(200, {
      id: row ? row.id : null,
      expires_at: row ? row.getString('expires_at') : null,
      permissions: row && body.kind === 'key' ? JSON.parse(row.getString('permissions') || '[]') : null,
      user: user && {
        id: user.id,
        email: user.email(),
        role: user.get('role'),
        is_active: user.getBool('is_active'),
      },
    });
  },
  $apis.requireSuperuserAuth(),
);

// {old, hash, user_agent, address, expires_at}: the old token ends where the new one begins. 404 when it has ended.
routerAdd(
  'POST',
  '/api/fathom/sessions/renew',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const body = e.requestInfo().body;
    e.app.runInTransaction((tx) => {
      const row = orNull(() => tx.findFirstRecordByData('sessions', 'hash', String(body.old)));
      if (!row) throw new NotFoundError('No such session.');
      for (const field of ['hash', 'user_agent', 'address', 'expires_at']) row.set(field, body[field]);
      tx.save(row);
    });
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

// {user}: everywhere.
routerAdd(
  'POST',
  '/api/fathom/sessions/end',
  (e) => {
    const bound = { user: String(e.requestInfo().body.user) };
    e.app.db().newQuery('DELETE FROM sessions WHERE user = {:user}').bind(bound).execute();
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

// {id, at}: without record events, as nobody's rights change.
routerAdd(
  'POST',
  '/api/fathom/api-keys/used',
  (e) => {
    const body = e.requestInfo().body;
    const bound = { id: String(body.id), at: String(body.at) };
    e.app.db().newQuery('UPDATE api_keys SET last_used_at = {:at} WHERE id = {:id}').bind(bound).execute();
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

cronAdd('fathom_expired_sessions', '*/10 * * * *', () => {
  const bound = { now: new DateTime().string() };
  $app.db().newQuery('DELETE FROM sessions WHERE expires_at < {:now}').bind(bound).execute();
});

// PocketBase would save the record as it was read a moment before, every column of it: whoever changed their name again and
// again had the old password, role or activity written over the new one. Tokens of an account that is deactivated end as well.
onRecordUpdate((e) => {
  e.record.ignoreUnchangedFields(true);
  if (e.record.original().getBool('is_active') && !e.record.getBool('is_active')) e.record.refreshTokenKey();
  e.next();
}, 'users');

// In the same transaction as the change: a new password and a deactivated account leave no session behind. Who proves to have an
// address (by a mail, by a sign-in provider) takes the account over from whoever made it before: then no key of that one either.
// PocketBase gives such an account a password that nobody has typed, and calls it verified if the address is the same letter by
// letter.
onRecordUpdate((e) => {
  const before = e.record.original();
  const [password, verified] = [before.getString('password:hash'), before.verified()];
  const typed = e.record.getString('password') !== '';
  e.next();
  const changed = e.record.getString('password:hash') !== password;
  const bound = { user: e.record.id };
  if (changed || !e.record.getBool('is_active')) {
    e.app.db().newQuery('DELETE FROM sessions WHERE user = {:user}').bind(bound).execute();
  }
  if (changed && !verified && (e.record.verified() || !typed)) {
    e.app.db().newQuery('DELETE FROM api_keys WHERE user = {:user}').bind(bound).execute();
  }
}, 'users');

for (const after of [onRecordAfterUpdateSuccess, onRecordAfterDeleteSuccess]) {
  after((e) => {
    require(`${__hooks}/lib/daemon.js`).tell(e.app, '/internal/users/changed', { user_id: e.record.id }, 3);
    e.next();
  }, 'users');

  // By hand, as the superuser.
  after(
    (e) => {
      const bound = { user_id: e.record.getString('user') };
      require(`${__hooks}/lib/daemon.js`).tell(e.app, '/internal/identities/changed', bound, 3);
      e.next();
    },
    'sessions',
    'api_keys',
  );
}
