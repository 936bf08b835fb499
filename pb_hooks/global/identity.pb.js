/// Sessions and API keys: finds them by their hash, and ends them with the account, its password or its activity.

// ResolveRequest → ResolvedIdentity.
routerAdd(
  'POST',
  '/api/fathom/identity/resolve',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const { limitsOf } = require(`${__hooks}/lib/api-keys.js`);
    const body = e.requestInfo().body;
    const collection = body.kind === 'key' ? 'api_keys' : 'sessions';
    const row = orNull(() =>
      body.id
        ? e.app.findRecordById(collection, String(body.id))
        : e.app.findFirstRecordByData(collection, 'hash', String(body.hash)),
    );
    const userId = row ? row.get('user') : String(body.user || '');
    const user = orNull(() => e.app.findRecordById('users', userId));
    const key = row && body.kind === 'key' ? limitsOf(e.app, row) : null;
    const hasEnded = !row || (body.kind === 'key' && !key);
    /** @param {string} field */
    const listOf = (field) => (row && key ? JSON.parse(row.getString(field) || '[]') : null);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').ResolvedIdentity} */
    const identity = {
      id: hasEnded ? null : row.id,
      expires_at: key ? key.expires_at : row ? row.getString('expires_at') : null,
      permissions: listOf('permissions'),
      roles: listOf('roles'),
      owners: key ? key.owners : [userId],
      user: user && {
        id: user.id,
        email: user.email(),
        role: user.get('role'),
        is_active: user.getBool('is_active') && (!key || key.parents_active),
      },
    };
    return e.json(200, identity);
  },
  $apis.requireSuperuserAuth(),
);

// RenewSessionRequest: a new token replaces the old one. 404 if the session has ended.
routerAdd(
  'POST',
  '/api/fathom/sessions/renew',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').RenewSessionRequest} */
    const body = e.requestInfo().body;
    e.app.runInTransaction((tx) => {
      const row = orNull(() => tx.findFirstRecordByData('sessions', 'hash', String(body.old)));
      if (!row) throw new NotFoundError('No such session.');
      row.set('hash', body.hash);
      row.set('user_agent', body.user_agent);
      row.set('address', body.address);
      row.set('expires_at', body.expires_at);
      tx.save(row);
    });
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

// EndSessionsRequest: ends all sessions and all tokens of the global PocketBase. The new token key also changes the token
// epoch of the own database.
routerAdd(
  'POST',
  '/api/fathom/sessions/end',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const { deleteKeysOf } = require(`${__hooks}/lib/api-keys.js`);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').EndSessionsRequest} */
    const body = e.requestInfo().body;
    const bound = { user: String(body.user) };
    e.app.runInTransaction((tx) => {
      tx.db().newQuery('DELETE FROM sessions WHERE user = {:user}').bind(bound).execute();
      if (body.keys) deleteKeysOf(tx, bound.user);
      const user = orNull(() => tx.findRecordById('users', bound.user));
      if (!user) return;
      user.refreshTokenKey();
      tx.saveNoValidate(user);
    });
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

// KeyUsedRequest. In SQL, without record events: no permission changes.
routerAdd(
  'POST',
  '/api/fathom/api-keys/used',
  (e) => {
    /** @type {import('../../shared/hooks/control-plane-routes.ts').KeyUsedRequest} */
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

// PocketBase saves all columns as it read them before. Without `ignoreUnchangedFields` a concurrent change of the name would
// restore the old password, role or activity. A deactivated account gets a new token key, which ends its tokens.
onRecordUpdate((e) => {
  e.record.ignoreUnchangedFields(true);
  if (e.record.original().getBool('is_active') && !e.record.getBool('is_active')) e.record.refreshTokenKey();
  e.next();
}, 'users');

// In the transaction of the change.
onRecordUpdate((e) => {
  const { endedCredentials } = require(`${__hooks}/rules/accounts.js`);
  /** @param {core.Record} record */
  const credentialsOf = (record) => ({
    tokenKey: record.tokenKey(),
    password: record.getString('password:hash'),
    role: record.getString('role'),
  });
  const before = credentialsOf(e.record.original());
  e.next();
  const ended = endedCredentials(before, credentialsOf(e.record));
  if (ended.sessions) {
    const bound = { user: e.record.id };
    e.app.db().newQuery('DELETE FROM sessions WHERE user = {:user}').bind(bound).execute();
  }
  if (ended.apiKeys) require(`${__hooks}/lib/api-keys.js`).deleteKeysOf(e.app, e.record.id);
}, 'users');

for (const after of [onRecordAfterUpdateSuccess, onRecordAfterDeleteSuccess]) {
  after((e) => {
    const { callDaemon } = require(`${__hooks}/lib/daemon.js`);
    const verified = e.type === 'update' && e.record.verified();
    const changed = { user_id: e.record.id, email: e.record.email(), verified };
    callDaemon(e.app, '/internal/users/changed', changed, 3);
    e.next();
  }, 'users');

  // Changes by hand, as the superuser.
  after(
    (e) => {
      const { callDaemon } = require(`${__hooks}/lib/daemon.js`);
      callDaemon(e.app, '/internal/identities/changed', { user_id: e.record.getString('user') }, 3);
      e.next();
    },
    'sessions',
    'api_keys',
  );
}
