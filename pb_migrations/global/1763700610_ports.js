// A port belongs to one database, also while it is stopped. An earlier release gave ports of stopped databases to others, so several
// rows can name one port. A database that should run keeps it, else the one that changed last. The others get another port with
// their next start. If one of them still runs, the daemon gives the port back to it.
migrate(
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    app
      .db()
      .newQuery(
        `UPDATE user_databases SET port = 0 WHERE id IN (
           SELECT id FROM (
             SELECT id, row_number() OVER (
               PARTITION BY port ORDER BY desired = 'running' AND state = 'ready' DESC, updated DESC, id
             ) AS place FROM user_databases WHERE port > 0
           ) WHERE place > 1
         )`,
      )
      .execute();
    databases.indexes = [
      ...databases.indexes,
      'CREATE UNIQUE INDEX `idx_user_databases_port` ON `user_databases` (`port`) WHERE `port` > 0',
    ];
    app.save(databases);

    // Ports that databases have left, with the time: clients of the former owner may still use them.
    const freed = new Collection({
      type: 'base',
      name: 'freed_ports',
      listRule: null,
      viewRule: null,
      createRule: null,
      updateRule: null,
      deleteRule: null,
      fields: [
        { type: 'number', name: 'port', required: true, onlyInt: true, min: 1, max: 65535 },
        { type: 'date', name: 'freed', required: true },
      ],
      indexes: ['CREATE UNIQUE INDEX `idx_freed_ports_port` ON `freed_ports` (`port`)'],
    });
    app.save(freed);
  },
  (app) => {
    const databases = app.findCollectionByNameOrId('user_databases');
    databases.indexes = databases.indexes.filter((index) => !index.includes('idx_user_databases_port'));
    app.save(databases);
    app.delete(app.findCollectionByNameOrId('freed_ports'));
  },
);
