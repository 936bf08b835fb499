// Tasks that owners have added for their own databases. Owners may cancel those, and a limit counts them.
migrate(
  (app) => {
    const queue = app.findCollectionByNameOrId('global_queue');
    queue.fields.add(new BoolField({ name: 'by_owner' }));
    app.save(queue);
  },
  (app) => {
    const queue = app.findCollectionByNameOrId('global_queue');
    queue.fields.removeByName('by_owner');
    app.save(queue);
  },
);
