// The applications of the database, like `documents,shop`. Empty in databases of earlier releases: the daemon fills it in.
migrate(
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.add(new TextField({ name: 'applications', max: 10000 }));
    app.save(databases);
  },
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.removeByName('applications');
    app.save(databases);
  },
);
