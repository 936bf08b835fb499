// Whoever signs up could leave files in the control plane, which has no use for them.
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
