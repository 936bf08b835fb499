/// User databases. One transaction decides the database of a user and its number, so concurrent requests get the same one.

// ReserveRequest → Reservation: the existing row, or a new one with the next number of the day. 404 for an unknown user; `reason`
// of 403: see refusalOfDatabase.
routerAdd(
  'POST',
  '/api/fathom/databases/reserve',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const { isPortNamed } = require(`${__hooks}/lib/ports.js`);
    const { openSession } = require(`${__hooks}/lib/sessions.js`);
    const { databaseName, refusalOfDatabase } = require(`${__hooks}/rules/accounts.js`);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').ReserveRequest} */
    const body = e.requestInfo().body;
    /** @type {import('../../shared/hooks/control-plane-routes.ts').Reservation | null} */
    let reservation = null;
    e.app.runInTransaction((tx) => {
      const user = orNull(() => tx.findRecordById('users', String(body.user)));
      if (!user) throw new NotFoundError('No such user.');

      let row = orNull(() => tx.findFirstRecordByData('user_databases', 'user', user.id));
      let created = false;
      if (!row) {
        const rows = new DynamicModel({ count: 0 });
        tx.db().newQuery("SELECT count(*) AS count FROM user_databases WHERE state != 'trashed'").one(rows);
        const account = {
          role: user.getString('role'),
          isActive: user.getBool('is_active'),
          verified: user.verified(),
        };
        const refusal = refusalOfDatabase(account, {
          requireVerified: body.require_verified,
          databases: rows.count,
          maxDatabases: body.max_databases,
        });
        if (refusal) throw new ForbiddenError(refusal);
        const counter = new DynamicModel({ taken: 0 });
        tx.db()
          .newQuery(
            'INSERT INTO database_days (day, last_number) VALUES ({:day}, 1) ' +
              'ON CONFLICT (day) DO UPDATE SET last_number = last_number + 1 RETURNING last_number AS taken',
          )
          .bind({ day: String(body.day) })
          .one(counter);
        const number = counter.taken;
        row = new Record(tx.findCollectionByNameOrId('user_databases'));
        row.set('name', databaseName(body.day, number, body.username));
        row.set('user', user.id);
        row.set('day', body.day);
        row.set('number', number);
        row.set('state', 'provisioning');
        row.set('desired', 'running');
        row.set('superuser_secret', body.superuser_secret);
        row.set('port', isPortNamed(tx, body.port) ? 0 : body.port);
        row.set('applications', body.applications);
        tx.save(row);
        created = true;
      }
      if (body.session) openSession(tx, body.session);

      const database = row.publicExport();
      database.plan = user.get('plan');
      database.superuser_secret = row.get('superuser_secret');
      reservation = {
        created,
        database,
        owner: {
          id: user.id,
          email: user.email(),
          name: user.get('name'),
          verified: user.verified(),
          password_hash: user.getString('password:hash'),
          token_epoch: $security.sha256(user.tokenKey()),
        },
      };
    });
    return e.json(200, reservation);
  },
  $apis.requireSuperuserAuth(),
);

// DatabasesReadyRequest. Others are being deleted.
routerAdd(
  'POST',
  '/api/fathom/databases/ready',
  (e) => {
    /** @type {import('../../shared/hooks/control-plane-routes.ts').DatabasesReadyRequest} */
    const { ids } = e.requestInfo().body;
    e.app.runInTransaction((tx) => {
      // As records, so that clients receive the event.
      for (const row of tx.findRecordsByIds('user_databases', ids)) {
        if (row?.getString('state') !== 'provisioning') continue;
        row.set('state', 'ready');
        tx.save(row);
      }
    });
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

// ApplicationsRequest: the applications of databases that earlier releases created.
routerAdd(
  'POST',
  '/api/fathom/databases/applications',
  (e) => {
    /** @type {import('../../shared/hooks/control-plane-routes.ts').ApplicationsRequest} */
    const { applications } = e.requestInfo().body;
    e.app
      .db()
      .newQuery("UPDATE user_databases SET applications = {:applications} WHERE applications = ''")
      .bind({ applications })
      .execute();
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

// A port whose database has left it. Its clients may still send requests there, so the daemon reuses it last.
onRecordUpdate((e) => {
  const before = e.record.original().getInt('port');
  e.next();
  if (before !== e.record.getInt('port')) require(`${__hooks}/lib/ports.js`).noteFreed(e.app, before);
}, 'user_databases');

onRecordDelete((e) => {
  const before = e.record.original().getInt('port');
  e.next();
  require(`${__hooks}/lib/ports.js`).noteFreed(e.app, before);
}, 'user_databases');

// → number[]: ports that databases have left, the oldest first.
routerAdd(
  'GET',
  '/api/fathom/databases/freed-ports',
  (e) => e.json(200, require(`${__hooks}/lib/ports.js`).listFreed(e.app)),
  $apis.requireSuperuserAuth(),
);

// → OwnerList: databases that are not in the trash with their owners, up to `limit` after the name `after`; or that of the one
// with the id `user`.
routerAdd(
  'GET',
  '/api/fathom/owners',
  (e) => {
    const { jsonOf, sendJson } = require(`${__hooks}/lib/rows.js`);
    const { user = '', after = '', limit = '-1' } = e.requestInfo().query;
    const page = `SELECT name, user FROM user_databases
      WHERE state != 'trashed' AND name > {:after} AND {:user} IN ('', user)
      ORDER BY name LIMIT {:limit}`;
    /** @param {string} sql */
    const read = (sql) =>
      jsonOf(
        e.app
          .db()
          .newQuery(sql)
          .bind({ user, after, limit: Number(limit) }),
      );
    const databases = read(`SELECT json_group_array(json_array(name, user)) AS json FROM (${page})`);
    // Not a join: with statistics from before the fleet grew, SQLite would read the page again for each user.
    const owners = read(
      `SELECT json_group_object(id, json_object('id', id, 'email', email,
         'verified', json(iif(verified, 'true', 'false')), 'is_active', json(iif(is_active, 'true', 'false')),
         'password_hash', password, 'token_key', tokenKey)) AS json
       FROM users WHERE id IN (SELECT user FROM (${page}))`,
    );
    return sendJson(e, `{"databases":${databases},"owners":${owners}}`);
  },
  $apis.requireSuperuserAuth(),
);

// → DatabaseList: rows with their hidden fields that are not in the trash, up to `limit` after the name `after`; all, or those that
// changed at `since` or later, themselves or their owners.
routerAdd(
  'GET',
  '/api/fathom/databases',
  (e) => {
    const { jsonOf, sendJson } = require(`${__hooks}/lib/rows.js`);
    const { since = '', after = '', limit = '-1' } = e.requestInfo().query;
    const bound = { after, limit: Number(limit), ...(since === '' ? {} : { since }) };
    const changed = 'AND (updated >= {:since} OR user IN (SELECT id FROM users WHERE updated >= {:since}))';
    const page = `SELECT * FROM user_databases
      WHERE state != 'trashed' AND name > {:after} ${since === '' ? '' : changed}
      ORDER BY name LIMIT {:limit}`;
    // Before the rows, so that no later change is missed.
    const state = jsonOf(
      e.app.db().newQuery(
        `SELECT json_object('at', strftime('%Y-%m-%d %H:%M:%fZ', 'now'), 'count', count(*)) AS json
           FROM user_databases WHERE state != 'trashed'`,
      ),
    );
    const rows = jsonOf(
      e.app
        .db()
        .newQuery(
          `SELECT json_group_array(json_object('id', id, 'name', name, 'user', user, 'state', state, 'desired', desired,
             'port', port, 'memory_mb', memory_mb, 'disk_mb', disk_mb, 'sleep_after', sleep_after,
             'developer', json(iif(developer, 'true', 'false')), 'access', access,
             'pocketbase_version', pocketbase_version, 'applications', applications,
             'superuser_secret', superuser_secret, 'created', created)) AS json
           FROM (${page})`,
        )
        .bind(bound),
    );
    // Databases run without these: without a plan, they have the limits of the default one.
    let owners = '{}';
    try {
      owners = jsonOf(
        e.app
          .db()
          .newQuery(
            `SELECT json_group_object(id, json_object('email', email, 'plan', plan)) AS json
             FROM users WHERE id IN (SELECT user FROM (${page}))`,
          )
          .bind(bound),
      );
    } catch (error) {
      e.app.logger().error('the accounts of owners cannot be read', 'error', String(error));
    }
    return sendJson(e, `{"state":${state},"rows":${rows},"owners":${owners}}`);
  },
  $apis.requireSuperuserAuth(),
);
