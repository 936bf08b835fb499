// One account per address, for all spellings of the address. SQLite ignores the case of ASCII letters only, so a column holds the
// key of the address. Existing accounts with the same key stay: the oldest one gets the key, the others a mark with their id.
// `fathomd doctor` reports them.
migrate(
  (app) => {
    const { keyOf, markOf } = require(`${__hooks}/rules/addresses.js`);
    const { rowsOf } = require(`${__hooks}/lib/rows.js`);
    const users = app.findCollectionByNameOrId('users');
    users.fields.add(new TextField({ name: 'email_key', hidden: true }));
    app.save(users);

    const read = app.db().newQuery('SELECT id, email FROM users ORDER BY created, id');
    const accounts = rowsOf(read, new DynamicModel({ id: '', email: '' }), ({ id, email }) => ({
      id,
      email,
    }));
    /** @type {{ [key: string]: boolean }} */
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
