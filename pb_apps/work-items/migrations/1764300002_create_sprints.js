// Sprints, and the sprint of stories and tasks.
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
    const workItems = app.findCollectionByNameOrId('pm_work_items');
    const items = workItems.id;
    const sprints = new Collection({
      type: 'base',
      name: 'pm_sprints',
      fields: [
        id,
        {
          type: 'relation',
          name: 'project',
          collectionId: items,
          maxSelect: 1,
          required: true,
          cascadeDelete: true,
        },
        { type: 'text', name: 'name', required: true, max: 100 },
        { type: 'text', name: 'goal', max: 2000 },
        {
          type: 'select',
          name: 'status',
          required: true,
          maxSelect: 1,
          values: ['planned', 'active', 'completed'],
        },
        { type: 'date', name: 'start_date' },
        { type: 'date', name: 'end_date' },
        { type: 'date', name: 'completed_at' },
        { type: 'date', name: 'deleted_at' },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
      indexes: [
        "CREATE UNIQUE INDEX `idx_pm_sprints_active` ON `pm_sprints` (`project`) WHERE `status` = 'active' AND `deleted_at` = ''",
        'CREATE INDEX `idx_pm_sprints_start` ON `pm_sprints` (`project`, `start_date`)',
      ],
    });
    app.save(sprints);
    sprints.listRule = `${reader} && deleted_at = ''`;
    sprints.viewRule = sprints.listRule;
    sprints.createRule = `${writer} && @request.body.deleted_at:isset = false`;
    sprints.updateRule = `${writer} && deleted_at = '' && @request.body.deleted_at:isset = false && @request.body.project:changed = false`;
    sprints.deleteRule = `${writer} && deleted_at = ''`;
    app.save(sprints);

    workItems.fields.add(new RelationField({ name: 'sprint', collectionId: sprints.id, maxSelect: 1 }));
    workItems.indexes = [
      ...workItems.indexes,
      "CREATE INDEX `idx_pm_work_items_sprint` ON `pm_work_items` (`sprint`, `rank`) WHERE `deleted_at` = ''",
    ];
    app.save(workItems);

    const refuseSprint = `SELECT RAISE(ABORT, 'sprint_not_allowed') WHERE NEW.sprint <> '' AND (
      NEW.item_type NOT IN ('story', 'task') OR NOT EXISTS (
        SELECT 1 FROM pm_sprints AS planned
        WHERE planned.id = NEW.sprint AND planned.project = NEW.project AND planned.status <> 'completed' AND planned.deleted_at = ''))`;
    for (const sql of [
      `CREATE TRIGGER pm_work_items_sprint BEFORE INSERT ON pm_work_items BEGIN ${refuseSprint}; END`,
      `CREATE TRIGGER pm_work_items_plan BEFORE UPDATE OF sprint ON pm_work_items WHEN NEW.sprint <> OLD.sprint
        BEGIN ${refuseSprint}; END`,
      `CREATE TRIGGER pm_sprints_project BEFORE INSERT ON pm_sprints BEGIN
        SELECT RAISE(ABORT, 'project_required') WHERE NOT EXISTS (
          SELECT 1 FROM pm_work_items WHERE id = NEW.project AND item_type = 'project' AND deleted_at = ''); END`,
      `CREATE TRIGGER pm_sprints_fixed BEFORE UPDATE OF project ON pm_sprints WHEN NEW.project <> OLD.project
        BEGIN SELECT RAISE(ABORT, 'fixed'); END`,
      `CREATE TRIGGER pm_sprints_kept BEFORE DELETE ON pm_sprints
        WHEN OLD.deleted_at = '' AND EXISTS (SELECT 1 FROM pm_work_items WHERE id = OLD.project)
        BEGIN SELECT RAISE(ABORT, 'not_deleted_yet'); END`,
    ])
      app.db().newQuery(sql).execute();
  },
  (app) => {
    for (const name of ['pm_work_items_sprint', 'pm_work_items_plan'])
      app.db().newQuery(`DROP TRIGGER ${name}`).execute();
    const workItems = app.findCollectionByNameOrId('pm_work_items');
    workItems.indexes = workItems.indexes.filter((index) => !index.includes('idx_pm_work_items_sprint'));
    workItems.fields.removeByName('sprint');
    app.save(workItems);
    app.delete(app.findCollectionByNameOrId('pm_sprints'));
  },
);
