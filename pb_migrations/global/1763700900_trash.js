// A deleted database keeps its row, its port and its files until it is erased. Then its backups are erased, for which a row of
// `backup_erasures` stays until the target has done it.
migrate(
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    // trashed: deleted, and not erased yet.
    const values = ['provisioning', 'ready', 'deleting', 'trashed'];
    databases.fields.add(new SelectField({ name: 'state', required: true, maxSelect: 1, values }));
    databases.fields.add(new DateField({ name: 'deleted_at' }));
    databases.fields.add(new DateField({ name: 'erase_at' }));
    // The account was deleted with it, and whether it was active before.
    databases.fields.add(new BoolField({ name: 'with_account' }));
    databases.fields.add(new BoolField({ name: 'was_active' }));
    app.save(databases);

    app.save(
      new Collection({
        type: 'base',
        name: 'backup_erasures',
        listRule: null,
        viewRule: null,
        createRule: null,
        updateRule: null,
        deleteRule: null,
        fields: [
          { type: 'text', name: 'database', required: true, max: 120 },
          // The account was erased with it.
          { type: 'bool', name: 'account' },
          { type: 'date', name: 'requested', required: true },
        ],
        indexes: ['CREATE UNIQUE INDEX `idx_backup_erasures_database` ON `backup_erasures` (`database`)'],
      }),
    );
  },
  (app) => {
    app.delete(app.findCollectionByNameOrId('backup_erasures'));
    // An earlier release does not know the state, and would give the owner another database.
    app
      .db()
      .newQuery("UPDATE user_databases SET state = 'ready', desired = 'stopped' WHERE state = 'trashed'")
      .execute();
    const databases = app.findCollectionByNameOrId('user_databases');
    const values = ['provisioning', 'ready', 'deleting'];
    databases.fields.add(new SelectField({ name: 'state', required: true, maxSelect: 1, values }));
    for (const name of ['deleted_at', 'erase_at', 'with_account', 'was_active'])
      databases.fields.removeByName(name);
    app.save(databases);
  },
);
