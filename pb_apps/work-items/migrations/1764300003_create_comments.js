// Comments on work items.
migrate(
  (app) => {
    const isOwner = "@request.auth.collectionName = 'users'";
    const isActive = "@request.auth.collectionName = 'pm_members' && @request.auth.is_active = true";
    const reader = `(${isOwner} || (${isActive}))`;
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
    const comments = new Collection({
      type: 'base',
      name: 'pm_comments',
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
        { type: 'relation', name: 'author', collectionId: members, maxSelect: 1, required: true },
        { type: 'text', name: 'body', required: true, max: 10000 },
        { type: 'date', name: 'edited_at' },
        { type: 'date', name: 'deleted_at' },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
      indexes: ['CREATE INDEX `idx_pm_comments_item` ON `pm_comments` (`work_item`, `created`)'],
    });
    app.save(comments);
    const untouched = '@request.body.deleted_at:isset = false && @request.body.edited_at:isset = false';
    comments.listRule = `${reader} && deleted_at = '' && work_item.deleted_at = ''`;
    comments.viewRule = comments.listRule;
    comments.createRule = `${writer} && ${untouched} && work_item.deleted_at = '' && (@request.body.author:isset = false || author = @request.auth.id)`;
    comments.updateRule =
      `${writer} && deleted_at = '' && author = @request.auth.id && ${untouched}` +
      ' && @request.body.author:changed = false && @request.body.work_item:changed = false';
    comments.deleteRule = `deleted_at = '' && ((${writer} && author = @request.auth.id) || ${manager})`;
    app.save(comments);
    app
      .db()
      .newQuery(
        `CREATE TRIGGER pm_comments_kept BEFORE DELETE ON pm_comments
          WHEN OLD.deleted_at = '' AND EXISTS (SELECT 1 FROM pm_work_items WHERE id = OLD.work_item)
          BEGIN SELECT RAISE(ABORT, 'not_deleted_yet'); END`,
      )
      .execute();
  },
  (app) => app.delete(app.findCollectionByNameOrId('pm_comments')),
);
