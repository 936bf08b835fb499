// Times of members on work items. An entry without an end is a running timer, of which a member has one.
migrate(
  (app) => {
    const isOwner = "@request.auth.collectionName = 'users'";
    const isActive = "@request.auth.collectionName = 'pm_members' && @request.auth.is_active = true";
    const writer = `(${isOwner} || (${isActive} && @request.auth.role != 'viewer'))`;
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
    const members = app.findCollectionByNameOrId('pm_members').id;
    const entries = new Collection({
      type: 'base',
      name: 'pm_time_entries',
      fields: [
        id,
        {
          type: 'relation',
          name: 'work_item',
          collectionId: items,
          maxSelect: 1,
          required: true,
          cascadeDelete: true,
        },
        { type: 'relation', name: 'member', collectionId: members, maxSelect: 1, required: true },
        { type: 'date', name: 'started_at', required: true },
        { type: 'date', name: 'ended_at' },
        { type: 'number', name: 'seconds', onlyInt: true, min: 0 },
        { type: 'text', name: 'note', max: 1000 },
        { type: 'date', name: 'deleted_at' },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
      indexes: [
        "CREATE UNIQUE INDEX `idx_pm_time_entries_running` ON `pm_time_entries` (`member`) WHERE `ended_at` = '' AND `deleted_at` = ''",
        'CREATE INDEX `idx_pm_time_entries_item` ON `pm_time_entries` (`work_item`)',
        'CREATE INDEX `idx_pm_time_entries_member` ON `pm_time_entries` (`member`, `started_at`)',
      ],
    });
    app.save(entries);
    const own = `((${writer} && member = @request.auth.id) || ${manager})`;
    const untouched = '@request.body.deleted_at:isset = false';
    entries.listRule = `${own} && deleted_at = ''`;
    entries.viewRule = entries.listRule;
    entries.createRule = `(${own} || (${writer} && @request.body.member:isset = false)) && ${untouched} && work_item.deleted_at = ''`;
    entries.updateRule =
      `${own} && deleted_at = '' && ${untouched} && @request.body.member:changed = false` +
      ' && @request.body.work_item:changed = false';
    entries.deleteRule = `${own} && deleted_at = ''`;
    app.save(entries);
    const refuseEnd =
      "SELECT RAISE(ABORT, 'ends_before_start') WHERE NEW.ended_at <> '' AND NEW.ended_at < NEW.started_at";
    for (const sql of [
      `CREATE TRIGGER pm_time_entries_order BEFORE INSERT ON pm_time_entries BEGIN ${refuseEnd}; END`,
      `CREATE TRIGGER pm_time_entries_reorder BEFORE UPDATE OF started_at, ended_at ON pm_time_entries BEGIN ${refuseEnd}; END`,
      `CREATE TRIGGER pm_time_entries_kept BEFORE DELETE ON pm_time_entries
        WHEN OLD.deleted_at = '' AND EXISTS (SELECT 1 FROM pm_work_items WHERE id = OLD.work_item)
        BEGIN SELECT RAISE(ABORT, 'not_deleted_yet'); END`,
    ])
      app.db().newQuery(sql).execute();
  },
  (app) => app.delete(app.findCollectionByNameOrId('pm_time_entries')),
);
