/// User databases. One transaction decides the database of a user and its number, so concurrent requests get the same one.

// ReserveRequest → Reservation: the existing row, or a new one with the next number of the day. 404 for an unknown user; `reason`
// of 403: see refusalOfDatabase.
routerAdd(
  'POST',
  '/api/fathom/databases/reserve',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const { isPortNamed } = require(`${__hooks}/lib/ports.js`);
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
        tx.db().newQuery('SELECT count(*) AS count FROM user_databases').one(rows);
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
        tx.save(row);
        created = true;
      }

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

// → OwnerAccount[]: the owners of all databases, or the one with the id `user`.
routerAdd(
  'GET',
  '/api/fathom/owners',
  (e) => {
    const { rowsOf } = require(`${__hooks}/lib/rows.js`);
    const query = e.app
      .db()
      .newQuery(
        `SELECT json_object('database', d.name, 'id', u.id, 'email', u.email,
           'verified', json(iif(u.verified, 'true', 'false')), 'is_active', json(iif(u.is_active, 'true', 'false')),
           'password_hash', u.password, 'token_key', u.tokenKey) AS row
         FROM user_databases d JOIN users u ON u.id = d.user
         WHERE {:user} IN ('', d.user) ORDER BY d.created`,
      )
      .bind({ user: e.requestInfo().query.user || '' });
    /** @type {import('../../shared/hooks/control-plane-routes.ts').OwnerAccount[]} */
    const owners = rowsOf(query, new DynamicModel({ row: '' }), ({ row }) => {
      const { token_key, ...owner } = JSON.parse(row);
      return { ...owner, token_epoch: $security.sha256(token_key) };
    });
    return e.json(200, owners);
  },
  $apis.requireSuperuserAuth(),
);

// → ListedDatabase[]: all rows with their hidden fields, in one request for the start of the daemon.
routerAdd(
  'GET',
  '/api/fathom/databases',
  (e) => {
    const { rowsOf } = require(`${__hooks}/lib/rows.js`);
    /** @param {string} text */
    const list = (text) =>
      rowsOf(e.app.db().newQuery(text), new DynamicModel({ row: '' }), ({ row }) => JSON.parse(row));
    /** @type {import('../../shared/hooks/control-plane-routes.ts').ListedDatabase[]} */
    const rows = list(
      `SELECT json_object('id', id, 'name', name, 'user', user, 'state', state, 'desired', desired, 'port', port,
         'memory_mb', memory_mb, 'disk_mb', disk_mb, 'sleep_after', sleep_after, 'developer', json(iif(developer, 'true', 'false')),
         'superuser_secret', superuser_secret, 'created', created) AS row
       FROM user_databases ORDER BY created`,
    );
    // Databases run without these: without a plan, they have the limits of the default one.
    /** @type {{ [user: string]: { email: string, plan: string } }} */
    let owners = {};
    try {
      owners = Object.fromEntries(
        list("SELECT json_array(id, json_object('email', email, 'plan', plan)) AS row FROM users"),
      );
    } catch (error) {
      e.app.logger().error('the accounts of owners cannot be read', 'error', String(error));
    }
    for (const row of rows) {
      const owner = owners[row.user];
      row.email = owner ? owner.email : null;
      row.plan = owner ? owner.plan : '';
    }
    return e.json(200, rows);
  },
  $apis.requireSuperuserAuth(),
);
