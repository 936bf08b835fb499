// Settings and schedules of the queue, and a trigger that enforces the transitions of a task.
migrate(
  (app) => {
    const queue = app.findCollectionByNameOrId('global_queue');
    // The secret parts of a payload, in an envelope of the daemon.
    queue.fields.add(new TextField({ name: 'secrets', hidden: true, max: 2000000 }));
    queue.fields.add(new BoolField({ name: 'cancel_requested' }));
    // The last error without the parts that differ between occurrences. Dead letters are grouped by it.
    queue.fields.add(new TextField({ name: 'error_signature', max: 300 }));
    queue.indexes = [
      ...queue.indexes,
      "CREATE INDEX `idx_global_queue_run_at` ON `global_queue` (`run_at`) WHERE `status` = 'pending'",
      "CREATE INDEX `idx_global_queue_signature` ON `global_queue` (`error_signature`) WHERE `status` = 'dead'",
      "CREATE INDEX `idx_global_queue_updated` ON `global_queue` (`updated`) WHERE `status` = 'pending'",
    ];
    app.save(queue);

    const hidden = { listRule: null, viewRule: null, createRule: null, updateRule: null, deleteRule: null };
    const settings = new Collection({
      type: 'base',
      name: 'queue_settings',
      ...hidden,
      fields: [
        { type: 'bool', name: 'paused' },
        // WORKER_CONCURRENCY of the daemon. It applies to all workers; their own environment does not count.
        { type: 'number', name: 'max_running', onlyInt: true, min: 1, required: true },
      ],
    });
    app.save(settings);
    const only = new Record(settings);
    only.set('max_running', 1);
    app.save(only);

    app.save(
      new Collection({
        type: 'base',
        name: 'queue_schedules',
        ...hidden,
        fields: [
          { type: 'text', name: 'name', required: true, max: 120 },
          { type: 'text', name: 'cron', required: true, max: 120 },
          { type: 'text', name: 'timezone', required: true, max: 80 },
          // The task to add, in the form of the API.
          { type: 'json', name: 'task', maxSize: 1048576 },
          { type: 'date', name: 'next_run_at', required: true },
          { type: 'date', name: 'last_run_at' },
        ],
        indexes: ['CREATE UNIQUE INDEX `idx_queue_schedules_name` ON `queue_schedules` (`name`)'],
      }),
    );

    // The transitions of shared/task.ts, for every client of the database.
    app
      .db()
      .newQuery(
        'CREATE TRIGGER queue_moves BEFORE UPDATE OF status ON global_queue ' +
          'WHEN OLD.status <> NEW.status AND NOT (' +
          "(OLD.status = 'pending' AND NEW.status IN ('processing', 'cancelled')) OR " +
          "(OLD.status = 'processing' AND NEW.status IN ('done', 'pending', 'failed', 'cancelled')) OR " +
          "(OLD.status = 'failed' AND NEW.status = 'dead') OR " +
          "(OLD.status = 'dead' AND NEW.status = 'pending')) " +
          "BEGIN SELECT RAISE(ABORT, 'a task cannot move that way'); END",
      )
      .execute();
  },
  (app) => {
    app.db().newQuery('DROP TRIGGER IF EXISTS queue_moves').execute();
    app.delete(app.findCollectionByNameOrId('queue_schedules'));
    app.delete(app.findCollectionByNameOrId('queue_settings'));
    const queue = app.findCollectionByNameOrId('global_queue');
    for (const name of ['secrets', 'cancel_requested', 'error_signature']) queue.fields.removeByName(name);
    queue.indexes = queue.indexes.filter((index) => !/_(?:run_at|signature|updated)`/.test(index));
    app.save(queue);
  },
);
