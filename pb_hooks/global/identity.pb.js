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

// {user, keys}: everywhere: sessions, tokens of the global PocketBase and, as its token key changes, those of the own database.
// API keys too, if `keys` is true.
routerAdd(
  'POST',
  '/api/fathom/sessions/end',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const body = e.requestInfo().body;
    const bound = { user: String(body.user) };
    e.app.runInTransaction((tx) => {
      tx.db().newQuery('DELETE FROM sessions WHERE user = {:user}').bind(bound).execute();
      if (body.keys) tx.db().newQuery('DELETE FROM api_keys WHERE user = {:user}').bind(bound).execute();
      const user = orNull(() => tx.findRecordById('users', bound.user));
      if (!user) return;
      user.refreshTokenKey();
      tx.saveNoValidate(user);
    });
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

// In the same transaction as the change. A new token key ends all tokens of the account at the global PocketBase, and sessions
// end with them: PocketBase makes one for a new password and a new address, the hook above for a deactivated account. A new
// password, which PocketBase also gives to an account that the owner of its address takes over, ends API keys: somebody else
// may have made them. So does another role, with which they could do more than they were made for.
onRecordUpdate((e) => {
  const before = e.record.original();
  const [tokenKey, password, role] = [
    before.tokenKey(),
    before.getString('password:hash'),
    before.getString('role'),
  ];
  e.next();
  const bound = { user: e.record.id };
  const hasNewPassword = e.record.getString('password:hash') !== password;
  if (hasNewPassword || e.record.tokenKey() !== tokenKey) {
    e.app.db().newQuery('DELETE FROM sessions WHERE user = {:user}').bind(bound).execute();
  }
  if (hasNewPassword || e.record.getString('role') !== role) {
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
