// The users of Fathom. Only the daemon sets `role` and `is_active`: the rules refuse them in all other requests.
migrate(
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    users.fields.add(
      new SelectField({
        name: 'role',
        required: true,
        maxSelect: 1,
        values: ['user', 'viewer', 'operator', 'admin'],
      }),
    );
    users.fields.add(new BoolField({ name: 'is_active' }));

    const untouched = '@request.body.role:isset = false && @request.body.is_active:isset = false';
    users.listRule = 'id = @request.auth.id';
    users.viewRule = 'id = @request.auth.id';
    users.createRule = untouched;
    users.updateRule = `id = @request.auth.id && ${untouched}`;
    users.deleteRule = null;
    users.authRule = 'is_active = true';
    users.authAlert.enabled = false;
    // One account per address, ignoring the case of ASCII letters. PocketBase finds accounts with the collation of this index.
    users.indexes = users.indexes.map((index) => index.replace('(`email`)', '(`email` COLLATE NOCASE)'));
    app.save(users);

    const superusers = app.findCollectionByNameOrId('_superusers');
    superusers.authAlert.enabled = false;
    app.save(superusers);
  },
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    users.fields.removeByName('role');
    users.fields.removeByName('is_active');
    users.listRule = 'id = @request.auth.id';
    users.viewRule = 'id = @request.auth.id';
    users.createRule = '';
    users.updateRule = 'id = @request.auth.id';
    users.deleteRule = 'id = @request.auth.id';
    users.authRule = '';
    app.save(users);
  },
);
