// Secrets of the daemon that belong to no row of another table, each in an envelope with a name.
migrate(
  (app) => {
    app.save(
      new Collection({
        type: 'base',
        name: 'sealed_secrets',
        listRule: null,
        viewRule: null,
        createRule: null,
        updateRule: null,
        deleteRule: null,
        fields: [
          { type: 'text', name: 'name', required: true, max: 120 },
          { type: 'text', name: 'envelope', required: true, hidden: true, max: 20000 },
          { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        ],
        indexes: ['CREATE UNIQUE INDEX `idx_sealed_secrets_name` ON `sealed_secrets` (`name`)'],
      }),
    );
  },
  (app) => app.delete(app.findCollectionByNameOrId('sealed_secrets')),
);
