// The columns of the board of a project.
migrate(
  (app) => {
    const isOwner = "@request.auth.collectionName = 'users'";
    const isActive = "@request.auth.collectionName = 'pm_members' && @request.auth.is_active = true";
    const reader = `(${isOwner} || (${isActive}))`;
    const manager = `(${isOwner} || (${isActive} && (@request.auth.role = 'owner' || @request.auth.role = 'admin')))`;
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
    const lanes = new Collection({
      type: 'base',
      name: 'pm_swim_lanes',
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
        { type: 'text', name: 'name', required: true, max: 60 },
        { type: 'number', name: 'position', onlyInt: true, min: 0, max: 1000 },
        { type: 'json', name: 'statuses', maxSize: 4096 },
        // 0 is no limit.
        { type: 'number', name: 'wip_limit', onlyInt: true, min: 0, max: 10000 },
        { type: 'date', name: 'deleted_at' },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
      indexes: [
        "CREATE UNIQUE INDEX `idx_pm_swim_lanes_position` ON `pm_swim_lanes` (`project`, `position`) WHERE `deleted_at` = ''",
      ],
    });
    app.save(lanes);
    lanes.listRule = `${reader} && deleted_at = ''`;
    lanes.viewRule = lanes.listRule;
    lanes.createRule = `${manager} && @request.body.deleted_at:isset = false`;
    lanes.updateRule = `${manager} && deleted_at = '' && @request.body.deleted_at:isset = false && @request.body.project:changed = false`;
    lanes.deleteRule = `${manager} && deleted_at = ''`;
    app.save(lanes);
    for (const sql of [
      `CREATE TRIGGER pm_swim_lanes_project BEFORE INSERT ON pm_swim_lanes BEGIN
        SELECT RAISE(ABORT, 'project_required') WHERE NOT EXISTS (
          SELECT 1 FROM pm_work_items WHERE id = NEW.project AND item_type = 'project' AND deleted_at = ''); END`,
      `CREATE TRIGGER pm_swim_lanes_fixed BEFORE UPDATE OF project ON pm_swim_lanes WHEN NEW.project <> OLD.project
        BEGIN SELECT RAISE(ABORT, 'fixed'); END`,
      `CREATE TRIGGER pm_swim_lanes_kept BEFORE DELETE ON pm_swim_lanes
        WHEN OLD.deleted_at = '' AND EXISTS (SELECT 1 FROM pm_work_items WHERE id = OLD.project)
        BEGIN SELECT RAISE(ABORT, 'not_deleted_yet'); END`,
    ])
      app.db().newQuery(sql).execute();
  },
  (app) => app.delete(app.findCollectionByNameOrId('pm_swim_lanes')),
);
