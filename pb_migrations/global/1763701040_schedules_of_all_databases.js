// Schedules that add a task for each database, and the tasks that they add.
migrate(
  (app) => {
    const schedules = app.findCollectionByNameOrId('queue_schedules');
    schedules.fields.add(new JSONField({ name: 'all_databases', maxSize: 1000 }));
    app.save(schedules);
    const queue = app.findCollectionByNameOrId('global_queue');
    queue.fields.add(new BoolField({ name: 'for_all' }));
    app.save(queue);
  },
  (app) => {
    const schedules = app.findCollectionByNameOrId('queue_schedules');
    schedules.fields.removeByName('all_databases');
    app.save(schedules);
    const queue = app.findCollectionByNameOrId('global_queue');
    queue.fields.removeByName('for_all');
    app.save(queue);
  },
);
