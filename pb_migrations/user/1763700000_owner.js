// A user database belongs to one owner. Fathom writes the owner's record itself, so nobody signs up here, and the
// owner's e-mail, password and existence are changed where the account lives: in the global PocketBase.
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
    // One address, one account, however it is capitalised. PocketBase looks accounts up as this index compares.
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
