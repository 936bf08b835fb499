// Users could upload files to the control plane, which does not need them.
migrate(
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    users.fields.removeByName('avatar');
    app.save(users);
  },
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    users.fields.add(new FileField({ name: 'avatar', maxSelect: 1 }));
    app.save(users);
  },
);
