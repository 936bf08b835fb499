// Minutes without use after which a database sleeps. 0: the time of the plan. -1: never.
migrate(
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.add(new NumberField({ name: 'sleep_after', onlyInt: true, min: -1 }));
    app.save(databases);
  },
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.fields.removeByName('sleep_after');
    app.save(databases);
  },
);
