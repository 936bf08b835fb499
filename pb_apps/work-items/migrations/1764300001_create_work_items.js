// Projects, epics, stories and tasks. Triggers hold what must be true for every writer; hooks say why something is refused.
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
    const own = '(@request.body.created_by:isset = false || @request.body.created_by = @request.auth.id)';
    const untouched = '@request.body.deleted_at:isset = false && @request.body.deleted_by:isset = false';
    const members = app.findCollectionByNameOrId('pm_members').id;
    const items = new Collection({
      type: 'base',
      name: 'pm_work_items',
      fields: [
        id,
        {
          type: 'select',
          name: 'item_type',
          required: true,
          maxSelect: 1,
          values: ['project', 'epic', 'story', 'task'],
        },
        { type: 'text', name: 'title', required: true, max: 200 },
        { type: 'text', name: 'description', max: 20000 },
        { type: 'text', name: 'status', required: true, max: 40, pattern: '^[a-z][a-z0-9_]*$' },
        { type: 'number', name: 'priority', onlyInt: true, min: 0, max: 4 },
        { type: 'relation', name: 'assignee', collectionId: members, maxSelect: 1 },
        { type: 'relation', name: 'created_by', collectionId: members, maxSelect: 1 },
        { type: 'relation', name: 'updated_by', collectionId: members, maxSelect: 1 },
        { type: 'text', name: 'rank', max: 200, pattern: '^[0-9A-Za-z]*[1-9A-Za-z]$' },
        { type: 'number', name: 'points', onlyInt: true, min: 0, max: 1000 },
        { type: 'date', name: 'due_date' },
        { type: 'json', name: 'labels', maxSize: 4096 },
        { type: 'json', name: 'workflow', maxSize: 16384 },
        { type: 'number', name: 'version', onlyInt: true, min: 0 },
        { type: 'date', name: 'deleted_at' },
        { type: 'relation', name: 'deleted_by', collectionId: members, maxSelect: 1 },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
    });
    app.save(items);
    for (const name of ['parent', 'project'])
      items.fields.add(new RelationField({ name, collectionId: items.id, maxSelect: 1 }));
    items.listRule = `${reader} && deleted_at = ''`;
    items.viewRule = items.listRule;
    items.createRule = `${writer} && ${untouched} && ${own} && @request.body.version:isset = false`;
    items.updateRule =
      `${writer} && deleted_at = '' && ${untouched} && @request.body.created_by:changed = false` +
      ' && @request.body.project:changed = false && @request.body.item_type:changed = false';
    items.deleteRule = `${writer} && deleted_at = ''`;
    items.indexes = [
      "CREATE INDEX `idx_pm_work_items_project` ON `pm_work_items` (`project`, `item_type`, `status`) WHERE `deleted_at` = ''",
      "CREATE INDEX `idx_pm_work_items_assignee` ON `pm_work_items` (`assignee`, `status`) WHERE `deleted_at` = ''",
      "CREATE INDEX `idx_pm_work_items_parent` ON `pm_work_items` (`parent`) WHERE `deleted_at` = ''",
      "CREATE INDEX `idx_pm_work_items_rank` ON `pm_work_items` (`project`, `rank`) WHERE `deleted_at` = ''",
      'CREATE INDEX `idx_pm_work_items_deleted_at` ON `pm_work_items` (`deleted_at`)',
    ];
    app.save(items);

    const level = (/** @type {string} */ type) =>
      `CASE ${type} WHEN 'project' THEN 0 WHEN 'epic' THEN 1 WHEN 'story' THEN 2 ELSE 3 END`;
    // Without a parent, an item is directly below its project.
    const refuseParent = `SELECT RAISE(ABORT, 'parent_not_allowed') WHERE NEW.parent <> '' AND NOT EXISTS (
      SELECT 1 FROM pm_work_items AS above
      WHERE above.id = NEW.parent AND above.deleted_at = ''
        AND ${level('above.item_type')} < ${level('NEW.item_type')}
        AND CASE above.item_type WHEN 'project' THEN above.id ELSE above.project END = NEW.project)`;
    for (const sql of [
      `CREATE TRIGGER pm_work_items_place BEFORE INSERT ON pm_work_items BEGIN
        SELECT RAISE(ABORT, 'project_of_project')
          WHERE NEW.item_type = 'project' AND (NEW.project <> '' OR NEW.parent <> '');
        SELECT RAISE(ABORT, 'project_required') WHERE NEW.item_type <> 'project' AND NOT EXISTS (
          SELECT 1 FROM pm_work_items WHERE id = NEW.project AND item_type = 'project' AND deleted_at = '');
        ${refuseParent}; END`,
      `CREATE TRIGGER pm_work_items_move BEFORE UPDATE OF parent ON pm_work_items WHEN NEW.parent <> OLD.parent BEGIN
        SELECT RAISE(ABORT, 'project_of_project') WHERE NEW.item_type = 'project';
        ${refuseParent}; END`,
      `CREATE TRIGGER pm_work_items_fixed BEFORE UPDATE OF item_type, project ON pm_work_items
        WHEN NEW.item_type <> OLD.item_type OR NEW.project <> OLD.project
        BEGIN SELECT RAISE(ABORT, 'fixed'); END`,
      // PocketBase saves a record as it read it. A save of an earlier version is refused, so no change is lost.
      `CREATE TRIGGER pm_work_items_version AFTER UPDATE ON pm_work_items BEGIN
        SELECT RAISE(ABORT, 'version_conflict') WHERE NEW.version <> OLD.version;
        UPDATE pm_work_items SET version = OLD.version + 1 WHERE id = NEW.id; END`,
      `CREATE TRIGGER pm_work_items_kept BEFORE DELETE ON pm_work_items WHEN OLD.deleted_at = ''
        BEGIN SELECT RAISE(ABORT, 'not_deleted_yet'); END`,
    ])
      app.db().newQuery(sql).execute();
  },
  (app) => app.delete(app.findCollectionByNameOrId('pm_work_items')),
);
