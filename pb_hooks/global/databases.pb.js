/// One user, one database, one number: decided here inside one transaction, whoever asks and however often.

// {user, username, day, superuser_secret} → 200 {created, database, owner}. The row that is there wins; otherwise the
// next number of the day is taken. 404 for an unknown user, 403 for one who is not given a database.
routerAdd(
  'POST',
  '/api/fathom/databases/reserve',
  (e) => {
    const { orNull } = require(`${__hooks}/lib/rows.js`);
    const body = e.requestInfo().body;
    let answer = null;
    e.app.runInTransaction((tx) => {
      const user = orNull(() => tx.findRecordById('users', String(body.user)));
      if (!user) throw new NotFoundError('No such user.');

      let row = orNull(() => tx.findFirstRecordByData('user_databases', 'user', user.id));
      let created = false;
      if (!row) {
        if (user.get('role') !== 'user' || !user.get('is_active')) {
          throw new ForbiddenError("Only active users with the role 'user' are given a database.");
        }
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
        row.set('name', `${body.day}-${String(number).padStart(3, '0')}-${body.username}`);
        row.set('user', user.id);
        row.set('day', body.day);
        row.set('number', number);
        row.set('state', 'provisioning');
        row.set('desired', 'running');
        row.set('superuser_secret', body.superuser_secret);
        tx.save(row);
        created = true;
      }

      const database = row.publicExport();
      database.superuser_secret = row.get('superuser_secret');
      answer = {
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
    return e.json(200, answer);
  },
  $apis.requireSuperuserAuth(),
);

// Owners of databases as their own databases should know them: all, or the one of `user`.
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
    const owners = rowsOf(query, new DynamicModel({ row: '' }), ({ row }) => {
      const { token_key, ...owner } = JSON.parse(row);
      return { ...owner, token_epoch: $security.sha256(token_key) };
    });
    return e.json(200, owners);
  },
  $apis.requireSuperuserAuth(),
);

// All rows with what the API hides, for the daemon's start: one request instead of one per database.
routerAdd(
  'GET',
  '/api/fathom/databases',
  (e) => {
    const { rowsOf } = require(`${__hooks}/lib/rows.js`);
    const list = (text) =>
      rowsOf(e.app.db().newQuery(text), new DynamicModel({ row: '' }), ({ row }) => JSON.parse(row));
    const rows = list(
      `SELECT json_object('id', id, 'name', name, 'user', user, 'state', state, 'desired', desired, 'port', port,
         'superuser_secret', superuser_secret, 'created', created) AS row
       FROM user_databases ORDER BY created`,
    );
    // Only shown: databases run without them.
    let emails = {};
    try {
      emails = Object.fromEntries(list('SELECT json_array(id, email) AS row FROM users'));
    } catch (error) {
      e.app.logger().error('the addresses of owners cannot be read', 'error', String(error));
    }
    for (const row of rows) row.email = emails[row.user] ?? null;
    return e.json(200, rows);
  },
  $apis.requireSuperuserAuth(),
);
