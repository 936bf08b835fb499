// Owners bring back what they deleted themselves, and not what an administrator deleted.
migrate(
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.add(new BoolField({ name: 'deleted_by_owner' }));
    app.save(databases);
  },
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.removeByName('deleted_by_owner');
    app.save(databases);
  },
);
