/// One user, one database, one number: decided here inside one transaction, whoever asks and however often.

// {user, username, day, superuser_secret} → 200 {created, database, owner}. The row that is there wins; otherwise the
// next number of the day is taken. 404 for an unknown user, 403 for one who is not given a database.
routerAdd(
  'POST',
  '/api/fathom/databases/reserve',
  (e) => {
    const body = e.requestInfo().body;
    let answer = null;
    e.app.runInTransaction((tx) => {
      let user;
      try {
        user = tx.findRecordById('users', String(body.user));
      } catch {
        throw new NotFoundError('No such user.');
      }

      let row = null;
      let created = false;
      try {
        row = tx.findFirstRecordByData('user_databases', 'user', user.id);
      } catch {
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
    const user = e.requestInfo().query.user;
    const filter = user ? 'user = {:user}' : "id != ''";
    const rows = e.app.findRecordsByFilter('user_databases', filter, 'created', 0, 0, { user: user || '' });
    e.app.expandRecords(rows, ['user']);
    const owners = [];
    for (const row of rows) {
      const owner = row.expandedOne('user');
      if (!owner) continue;
      owners.push({
        database: row.get('name'),
        id: owner.id,
        email: owner.email(),
        verified: owner.verified(),
        is_active: owner.getBool('is_active'),
        password_hash: owner.getString('password:hash'),
      });
    }
    return e.json(200, owners);
  },
  $apis.requireSuperuserAuth(),
);

// All rows with what the API hides, for the daemon's start: one request instead of one per database.
routerAdd(
  'GET',
  '/api/fathom/databases',
  (e) => {
    const rows = e.app.findRecordsByFilter('user_databases', "id != ''", 'created', 0, 0);
    e.app.expandRecords(rows, ['user']);
    return e.json(
      200,
      rows.map((row) => {
        const database = row.publicExport();
        const user = row.expandedOne('user');
        delete database.expand;
        database.superuser_secret = row.get('superuser_secret');
        database.email = user ? user.email() : null;
        return database;
      }),
    );
  },
  $apis.requireSuperuserAuth(),
);
