/// Opens sessions of Fathom's API.

// OpenSessionRequest: ends the least recently renewed sessions of the user beyond the limit.
routerAdd(
  'POST',
  '/api/fathom/sessions/open',
  (e) => {
    /** @type {import('../../shared/hooks/control-plane-routes.ts').OpenSessionRequest} */
    const body = e.requestInfo().body;
    e.app.runInTransaction((tx) => {
      const row = new Record(tx.findCollectionByNameOrId('sessions'));
      row.set('hash', body.hash);
      row.set('user', body.user);
      row.set('user_agent', body.user_agent);
      row.set('address', body.address);
      row.set('expires_at', body.expires_at);
      tx.save(row);
      if (body.limit === null) return;
      const user = { user: String(body.user) };
      const order = '-expires_at,-created';
      const over = tx.findRecordsByFilter('sessions', 'user = {:user}', order, 100, body.limit, user);
      // As records, so that a hook reports their end to the daemon.
      for (const old of over) if (old) tx.delete(old);
    });
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

// SessionAddresses, the newest of an account last.
routerAdd(
  'GET',
  '/api/fathom/sessions/addresses',
  (e) => {
    const { rowsOf } = require(`${__hooks}/lib/rows.js`);
    const limit = Number(e.requestInfo().query['limit'] || 0);
    const query = e.app
      .db()
      .newQuery(
        `SELECT email, address FROM (
          SELECT users.email, sessions.address, sessions.expires_at,
            ROW_NUMBER() OVER (PARTITION BY sessions.user ORDER BY sessions.expires_at DESC) AS place
          FROM sessions JOIN users ON users.id = sessions.user WHERE sessions.address != ''
        ) WHERE place <= {:limit} ORDER BY expires_at`,
      )
      .bind({ limit });
    /** @type {import('../../shared/hooks/control-plane-routes.ts').SessionAddresses} */
    const result = {
      addresses: rowsOf(query, new DynamicModel({ email: '', address: '' }), ({ email, address }) => ({
        email: String(email),
        address: String(address),
      })),
    };
    return e.json(200, result);
  },
  $apis.requireSuperuserAuth(),
);
