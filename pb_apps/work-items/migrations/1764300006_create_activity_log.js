// What was changed, when and by whom. Rows are added, and never changed or deleted. They outlive what they describe, so they hold
// ids as text.
migrate(
  (app) => {
    const isOwner = "@request.auth.collectionName = 'users'";
    const isActive = "@request.auth.collectionName = 'pm_members' && @request.auth.is_active = true";
    const reader = `(${isOwner} || (${isActive}))`;
    const id = {
      type: 'text',
      name: 'id',
      system: true,
      primaryKey: true,
      required: true,
      min: 36,
      max: 36,
      pattern: '^[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}$',
      autogeneratePattern: '[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}',
    };
    const log = new Collection({
      type: 'base',
      name: 'pm_activity_log',
      fields: [
        id,
        { type: 'text', name: 'entity_type', required: true, max: 40 },
        { type: 'text', name: 'entity_id', required: true, max: 36 },
        { type: 'text', name: 'project', max: 36 },
        { type: 'text', name: 'actor', max: 36 },
        {
          type: 'select',
          name: 'actor_kind',
          required: true,
          maxSelect: 1,
          values: ['owner', 'member', 'superuser', 'system'],
        },
        { type: 'text', name: 'action', required: true, max: 40 },
        { type: 'json', name: 'changes', maxSize: 262144 },
        { type: 'text', name: 'request_id', max: 64 },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
      ],
      indexes: [
        'CREATE INDEX `idx_pm_activity_log_entity` ON `pm_activity_log` (`entity_type`, `entity_id`, `created`)',
        'CREATE INDEX `idx_pm_activity_log_project` ON `pm_activity_log` (`project`, `created`)',
      ],
    });
    log.listRule = reader;
    log.viewRule = reader;
    app.save(log);
    for (const change of ['UPDATE', 'DELETE'])
      app
        .db()
        .newQuery(
          `CREATE TRIGGER pm_activity_log_${change.toLowerCase()} BEFORE ${change} ON pm_activity_log
            BEGIN SELECT RAISE(ABORT, 'append_only'); END`,
        )
        .execute();
  },
  (app) => app.delete(app.findCollectionByNameOrId('pm_activity_log')),
);
