/// Opens sessions of Fathom's API.

// OpenSessionRequest.
routerAdd(
  'POST',
  '/api/fathom/sessions/open',
  (e) => {
    const { openSession } = require(`${__hooks}/lib/sessions.js`);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').OpenSessionRequest} */
    const session = e.requestInfo().body;
    e.app.runInTransaction((tx) => openSession(tx, session));
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
