// Limits of one database in MiB. 0: the default of the daemon.
migrate(
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.add(new NumberField({ name: 'memory_mb', onlyInt: true, min: 0 }));
    databases.fields.add(new NumberField({ name: 'disk_mb', onlyInt: true, min: 0 }));
    app.save(databases);
  },
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.removeByName('memory_mb');
    databases.fields.removeByName('disk_mb');
    app.save(databases);
  },
);
