// The version of PocketBase that the database is pinned to. Empty: the version of the fleet.
migrate(
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.add(new TextField({ name: 'pocketbase_version', max: 64 }));
    app.save(databases);
  },
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.removeByName('pocketbase_version');
    app.save(databases);
  },
);
