// Dependencies between work items. Items that block each other never form a circle, also when two requests close it together.
migrate(
  (app) => {
    const isOwner = "@request.auth.collectionName = 'users'";
    const isActive = "@request.auth.collectionName = 'pm_members' && @request.auth.is_active = true";
    const reader = `(${isOwner} || (${isActive}))`;
    const writer = `(${isOwner} || (${isActive} && @request.auth.role != 'viewer'))`;
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
    const items = app.findCollectionByNameOrId('pm_work_items').id;
    const members = app.findCollectionByNameOrId('pm_members').id;
    const item = { type: 'relation', collectionId: items, maxSelect: 1, required: true, cascadeDelete: true };
    const dependencies = new Collection({
      type: 'base',
      name: 'pm_dependencies',
      fields: [
        id,
        { ...item, name: 'blocker' },
        { ...item, name: 'blocked' },
        {
          type: 'select',
          name: 'kind',
          required: true,
          maxSelect: 1,
          values: ['blocks', 'relates_to', 'duplicates'],
        },
        { type: 'relation', name: 'created_by', collectionId: members, maxSelect: 1 },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
      indexes: [
        'CREATE UNIQUE INDEX `idx_pm_dependencies_pair` ON `pm_dependencies` (`blocker`, `blocked`, `kind`)',
        'CREATE INDEX `idx_pm_dependencies_blocked` ON `pm_dependencies` (`blocked`)',
      ],
    });
    app.save(dependencies);
    const live = "blocker.deleted_at = '' && blocked.deleted_at = ''";
    dependencies.listRule = `${reader} && ${live}`;
    dependencies.viewRule = dependencies.listRule;
    dependencies.createRule = `${writer} && ${live} && (@request.body.created_by:isset = false || @request.body.created_by = @request.auth.id)`;
    dependencies.deleteRule = writer;
    app.save(dependencies);
    for (const sql of [
      `CREATE TRIGGER pm_dependencies_circle BEFORE INSERT ON pm_dependencies BEGIN
        SELECT RAISE(ABORT, 'self_dependency') WHERE NEW.blocker = NEW.blocked;
        SELECT RAISE(ABORT, 'circular_dependency') WHERE NEW.kind = 'blocks' AND EXISTS (
          WITH RECURSIVE reached(id) AS (
            SELECT NEW.blocked UNION
            SELECT next.blocked FROM pm_dependencies AS next JOIN reached ON next.blocker = reached.id
            WHERE next.kind = 'blocks')
          SELECT 1 FROM reached WHERE id = NEW.blocker); END`,
      `CREATE TRIGGER pm_dependencies_fixed BEFORE UPDATE OF blocker, blocked, kind ON pm_dependencies
        WHEN NEW.blocker <> OLD.blocker OR NEW.blocked <> OLD.blocked OR NEW.kind <> OLD.kind
        BEGIN SELECT RAISE(ABORT, 'fixed'); END`,
    ])
      app.db().newQuery(sql).execute();
  },
  (app) => app.delete(app.findCollectionByNameOrId('pm_dependencies')),
);
