// Texts about a project or an item, for language models and for people.
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
    const contexts = new Collection({
      type: 'base',
      name: 'pm_llm_context',
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
        { type: 'relation', name: 'work_item', collectionId: items, maxSelect: 1, cascadeDelete: true },
        {
          type: 'select',
          name: 'kind',
          required: true,
          maxSelect: 1,
          values: ['summary', 'decision', 'instruction', 'schema', 'note'],
        },
        { type: 'text', name: 'title', required: true, max: 200 },
        { type: 'text', name: 'content', required: true, max: 100000 },
        { type: 'number', name: 'tokens', onlyInt: true, min: 0 },
        { type: 'bool', name: 'pinned' },
        { type: 'text', name: 'source', max: 200 },
        { type: 'relation', name: 'created_by', collectionId: members, maxSelect: 1 },
        { type: 'date', name: 'deleted_at' },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
      indexes: [
        'CREATE INDEX `idx_pm_llm_context_kind` ON `pm_llm_context` (`project`, `kind`)',
        'CREATE INDEX `idx_pm_llm_context_item` ON `pm_llm_context` (`work_item`)',
      ],
    });
    app.save(contexts);
    contexts.fields.add(
      new RelationField({ name: 'superseded_by', collectionId: contexts.id, maxSelect: 1 }),
    );
    contexts.listRule = `${reader} && deleted_at = ''`;
    contexts.viewRule = contexts.listRule;
    contexts.createRule = `${writer} && @request.body.deleted_at:isset = false && (@request.body.created_by:isset = false || @request.body.created_by = @request.auth.id)`;
    contexts.updateRule =
      `${writer} && deleted_at = '' && @request.body.deleted_at:isset = false` +
      ' && @request.body.project:changed = false && @request.body.created_by:changed = false';
    contexts.deleteRule = `${writer} && deleted_at = ''`;
    app.save(contexts);
    for (const sql of [
      `CREATE TRIGGER pm_llm_context_project BEFORE INSERT ON pm_llm_context BEGIN
        SELECT RAISE(ABORT, 'project_required') WHERE NOT EXISTS (
          SELECT 1 FROM pm_work_items WHERE id = NEW.project AND item_type = 'project' AND deleted_at = ''); END`,
      `CREATE TRIGGER pm_llm_context_fixed BEFORE UPDATE OF project ON pm_llm_context WHEN NEW.project <> OLD.project
        BEGIN SELECT RAISE(ABORT, 'fixed'); END`,
      `CREATE TRIGGER pm_llm_context_kept BEFORE DELETE ON pm_llm_context
        WHEN OLD.deleted_at = '' AND EXISTS (SELECT 1 FROM pm_work_items WHERE id = OLD.project)
        BEGIN SELECT RAISE(ABORT, 'not_deleted_yet'); END`,
    ])
      app.db().newQuery(sql).execute();
  },
  (app) => app.delete(app.findCollectionByNameOrId('pm_llm_context')),
);
