// A user database has one owner. Fathom writes the record of the owner, so sign-up is closed. The account is changed and deleted
// in the global PocketBase, and so are its e-mail address and password.
migrate(
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    users.listRule = 'id = @request.auth.id';
    users.viewRule = 'id = @request.auth.id';
    users.createRule = null;
    users.updateRule =
      'id = @request.auth.id && @request.body.email:isset = false && @request.body.password:isset = false';
    users.deleteRule = null;
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
    users.createRule = '';
    users.updateRule = 'id = @request.auth.id';
    users.deleteRule = 'id = @request.auth.id';
    app.save(users);
  },
);
