// Whether a reverse proxy lets superusers of the database through.
migrate(
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.add(new BoolField({ name: 'developer' }));
    app.save(databases);
  },
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.removeByName('developer');
    app.save(databases);
  },
);
