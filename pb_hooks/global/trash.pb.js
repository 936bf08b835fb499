/// Deleted databases, which can come back until they are erased. Each step is one transaction.

for (const on of [
  onRecordAuthWithPasswordRequest,
  onRecordAuthWithOAuth2Request,
  onRecordAuthWithOTPRequest,
]) {
  on((e) => require(`${__hooks}/lib/trash.js`).explainRefusal(e), 'users');
}

// → TrashedDatabase[]
routerAdd(
  'GET',
  '/api/fathom/trash',
  (e) => {
    const { jsonOf, sendJson } = require(`${__hooks}/lib/rows.js`);
    return sendJson(
      e,
      jsonOf(
        e.app.db().newQuery(
          `SELECT json_group_array(json_object('id', d.id, 'name', d.name, 'user', d.user, 'port', d.port,
             'email', u.email, 'deleted_at', d.deleted_at, 'erase_at', d.erase_at,
             'with_account', json(iif(d.with_account, 'true', 'false')),
             'deleted_by_owner', json(iif(d.deleted_by_owner, 'true', 'false')))) AS json
           FROM user_databases d LEFT JOIN users u ON u.id = d.user WHERE d.state = 'trashed'`,
        ),
      ),
    );
  },
  $apis.requireSuperuserAuth(),
);

// TrashRequest: all sessions and tokens of the owner end. Repeated with `with_account`, the account is deleted as well; without
// `by_owner`, the owner can no longer bring it back. 404 for a row that was deleted.
routerAdd(
  'POST',
  '/api/fathom/trash',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').TrashRequest} */
    const body = e.requestInfo().body;
    e.app.runInTransaction((tx) => {
      const row = orNull(() => tx.findRecordById('user_databases', String(body.id)));
      if (!row) throw new NotFoundError('No such database.');
      const user = tx.findRecordById('users', row.getString('user'));
      if (row.getString('state') !== 'trashed') {
        row.set('state', 'trashed');
        row.set('deleted_at', body.deleted_at);
        row.set('erase_at', body.erase_at);
        row.set('deleted_by_owner', body.by_owner);
      } else if (!body.by_owner) {
        row.set('deleted_by_owner', false);
      }
      if (body.with_account && !row.getBool('with_account')) {
        row.set('with_account', true);
        row.set('was_active', user.getBool('is_active'));
        user.set('is_active', false);
      }
      tx.save(row);
      user.refreshTokenKey();
      tx.save(user);
    });
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

// {id}: brings a database back, with its account. 404 for a row that is not in the trash.
routerAdd(
  'POST',
  '/api/fathom/trash/undelete',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const { id } = e.requestInfo().body;
    e.app.runInTransaction((tx) => {
      const row = orNull(() => tx.findRecordById('user_databases', String(id)));
      if (!row || row.getString('state') !== 'trashed') throw new NotFoundError('Not in the trash.');
      if (row.getBool('with_account') && row.getBool('was_active')) {
        const user = tx.findRecordById('users', row.getString('user'));
        user.set('is_active', true);
        tx.save(user);
      }
      row.set('state', 'ready');
      for (const field of ['deleted_at', 'erase_at']) row.set(field, '');
      for (const field of ['with_account', 'was_active', 'deleted_by_owner']) row.set(field, false);
      tx.save(row);
    });
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

// {id, requested, account}: ends an erasure, when the files are removed: the row goes, its account if it was deleted with it,
// and a row of `backup_erasures` comes. `account`: the caller deletes the account. Does nothing when it has ended.
routerAdd(
  'POST',
  '/api/fathom/trash/erased',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const { id, requested, account: isErased } = e.requestInfo().body;
    e.app.runInTransaction((tx) => {
      const row = orNull(() => tx.findRecordById('user_databases', String(id)));
      if (!row) return;
      const account = row.getBool('with_account');
      const user = orNull(() => tx.findRecordById('users', row.getString('user')));
      tx.delete(row);
      if (account && user) tx.delete(user);
      const erasure = new Record(tx.findCollectionByNameOrId('backup_erasures'));
      erasure.set('database', row.getString('name'));
      erasure.set('account', account || isErased);
      erasure.set('requested', requested);
      tx.save(erasure);
    });
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);
