// Plans: limits for users and their databases. A user without a plan has the plan `default`, also when that has no row.
migrate(
  (app) => {
    app.save(
      new Collection({
        type: 'base',
        name: 'plans',
        listRule: null,
        viewRule: null,
        createRule: null,
        updateRule: null,
        deleteRule: null,
        fields: [
          { type: 'text', name: 'name', required: true, pattern: '^[a-z0-9][a-z0-9-]{0,39}$' },
          // By name of the limit; null is no limit. A limit that is missing comes from the settings.
          { type: 'json', name: 'limits', maxSize: 2000 },
          { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
          { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
        ],
        indexes: ['CREATE UNIQUE INDEX `idx_plans_name` ON `plans` (`name`)'],
      }),
    );

    // Hidden: PocketBase ignores it in requests of users, and does not show it to them.
    const users = app.findCollectionByNameOrId('users');
    users.fields.add(new TextField({ name: 'plan', hidden: true, max: 40 }));
    app.save(users);
  },
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    users.fields.removeByName('plan');
    app.save(users);
    app.delete(app.findCollectionByNameOrId('plans'));
  },
);
