// One row per user database: the desired state. Only the daemon knows which instances run.
migrate(
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    const databases = new Collection({
      type: 'base',
      name: 'user_databases',
      // Owners can read the row of their database; only superusers (the daemon) write.
      listRule: 'user = @request.auth.id',
      viewRule: 'user = @request.auth.id',
      createRule: null,
      updateRule: null,
      deleteRule: null,
      fields: [
        { type: 'text', name: 'name', required: true, max: 120 },
        {
          type: 'relation',
          name: 'user',
          required: true,
          collectionId: users.id,
          maxSelect: 1,
          cascadeDelete: false,
        },
        { type: 'text', name: 'day', required: true, pattern: '^\\d{4}-\\d{2}-\\d{2}$' },
        { type: 'number', name: 'number', required: true, onlyInt: true, min: 1 },
        // provisioning: the directory may be missing; ready: it exists; deleting: it is being removed.
        {
          type: 'select',
          name: 'state',
          required: true,
          maxSelect: 1,
          values: ['provisioning', 'ready', 'deleting'],
        },
        { type: 'select', name: 'desired', required: true, maxSelect: 1, values: ['running', 'stopped'] },
        // 0 until the first start.
        { type: 'number', name: 'port', onlyInt: true, min: 0, max: 65535 },
        // Fathom's own superuser of the instance, encrypted by the daemon.
        { type: 'text', name: 'superuser_secret', required: true, hidden: true, max: 2000 },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
      indexes: [
        'CREATE UNIQUE INDEX `idx_user_databases_name` ON `user_databases` (`name`)',
        'CREATE UNIQUE INDEX `idx_user_databases_user` ON `user_databases` (`user`)',
        'CREATE UNIQUE INDEX `idx_user_databases_number` ON `user_databases` (`day`, `number`)',
      ],
    });
    app.save(databases);

    // The last number of each day. It stays when a database is deleted, so no name is used twice.
    const days = new Collection({
      type: 'base',
      name: 'database_days',
      listRule: null,
      viewRule: null,
      createRule: null,
      updateRule: null,
      deleteRule: null,
      fields: [
        { type: 'text', name: 'day', required: true, pattern: '^\\d{4}-\\d{2}-\\d{2}$' },
        { type: 'number', name: 'last_number', required: true, onlyInt: true, min: 1 },
      ],
      indexes: ['CREATE UNIQUE INDEX `idx_database_days_day` ON `database_days` (`day`)'],
    });
    app.save(days);
  },
  (app) => {
    app.delete(app.findCollectionByNameOrId('user_databases'));
    app.delete(app.findCollectionByNameOrId('database_days'));
  },
);
