// The task queue of all users. One SQL statement claims a task; the columns that it reads are indexed.
migrate(
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    const queue = new Collection({
      type: 'base',
      name: 'global_queue',
      // A task may have no user, and an anonymous request has none either.
      listRule: "@request.auth.id != '' && user = @request.auth.id",
      viewRule: "@request.auth.id != '' && user = @request.auth.id",
      createRule: null,
      updateRule: null,
      deleteRule: null,
      fields: [
        { type: 'text', name: 'type', required: true, max: 120 },
        { type: 'json', name: 'payload', maxSize: 1048576 },
        { type: 'relation', name: 'user', collectionId: users.id, maxSelect: 1, cascadeDelete: true },
        {
          type: 'select',
          name: 'status',
          required: true,
          maxSelect: 1,
          values: ['pending', 'processing', 'done', 'failed', 'dead', 'cancelled'],
        },
        // Higher first.
        { type: 'number', name: 'priority', onlyInt: true },
        { type: 'date', name: 'run_at' },
        { type: 'number', name: 'attempts', onlyInt: true, min: 0 },
        { type: 'number', name: 'max_attempts', onlyInt: true, min: 1 },
        { type: 'number', name: 'timeout_s', onlyInt: true, min: 1 },
        { type: 'text', name: 'unique_key', max: 255 },
        { type: 'text', name: 'worker_id', max: 120 },
        { type: 'date', name: 'claimed_at' },
        { type: 'date', name: 'lease_expires_at' },
        { type: 'number', name: 'lease_epoch', onlyInt: true, min: 0 },
        { type: 'number', name: 'progress', min: 0, max: 100 },
        { type: 'text', name: 'progress_message', max: 1000 },
        { type: 'json', name: 'result', maxSize: 1048576 },
        // One entry per failed attempt: error, worker, times.
        { type: 'json', name: 'errors', maxSize: 1048576 },
        { type: 'date', name: 'finished_at' },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
      indexes: [
        "CREATE INDEX `idx_global_queue_due` ON `global_queue` (`priority` DESC, `run_at`, `created`) WHERE `status` = 'pending'",
        'CREATE INDEX `idx_global_queue_status` ON `global_queue` (`status`, `finished_at`)',
        'CREATE INDEX `idx_global_queue_user` ON `global_queue` (`user`)',
        "CREATE UNIQUE INDEX `idx_global_queue_unique_key` ON `global_queue` (`unique_key`) WHERE `unique_key` != '' AND `status` != 'done' AND `status` != 'failed' AND `status` != 'dead' AND `status` != 'cancelled'",
      ],
    });
    app.save(queue);
  },
  (app) => app.delete(app.findCollectionByNameOrId('global_queue')),
);
