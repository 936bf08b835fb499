// What the owner may use in the database. Empty: OWNER_ACCESS.
migrate(
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.add(new SelectField({ name: 'access', values: ['app', 'developer'], maxSelect: 1 }));
    app.save(databases);
  },
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.removeByName('access');
    app.save(databases);
  },
);
