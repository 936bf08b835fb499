// One address, one account, in every writing of it. SQLite folds the case of ASCII alone, so the folded address has a column
// of its own. Accounts whose addresses fold to the same key are kept: the oldest one holds the key, the others are marked
// with their id, and `fathomd doctor` names them.
migrate(
  (app) => {
    const { keyOf, markOf } = require(`${__hooks}/lib/addresses.js`);
    const { rowsOf } = require(`${__hooks}/lib/rows.js`);
    const users = app.findCollectionByNameOrId('users');
    users.fields.add(new TextField({ name: 'email_key', hidden: true }));
    app.save(users);

    const read = app.db().newQuery('SELECT id, email FROM users ORDER BY created, id');
    const accounts = rowsOf(read, new DynamicModel({ id: '', email: '' }), ({ id, email }) => ({
      id,
      email,
    }));
    const taken = {};
    for (const { id, email } of accounts) {
      const key = keyOf(email);
      const bound = { id, key: taken[key] ? markOf(key, id) : key };
      taken[key] = true;
      app.db().newQuery('UPDATE users SET email_key = {:key} WHERE id = {:id}').bind(bound).execute();
    }

    users.indexes = [
      ...users.indexes,
      "CREATE UNIQUE INDEX `idx_users_email_key` ON `users` (`email_key`) WHERE `email_key` != ''",
    ];
    app.save(users);
  },
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    users.indexes = users.indexes.filter((index) => !index.includes('idx_users_email_key'));
    users.fields.removeByName('email_key');
    app.save(users);
  },
);
