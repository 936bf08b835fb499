// The people of Fathom. `role` and `is_active` are the daemon's to set: the rules refuse them from anybody else.
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
    // One address, one account, however it is capitalised. PocketBase looks accounts up as this index compares.
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
