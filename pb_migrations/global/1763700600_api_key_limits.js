// A key ends with the key that made it, and never grows with the role of its user. Keys of earlier releases have no known parent
// and are limited to the role that their user has now.
migrate(
  (app) => {
    const keys = app.findCollectionByNameOrId('api_keys');
    keys.fields.add(
      new RelationField({
        name: 'parent',
        collectionId: keys.id,
        maxSelect: 1,
        // Without it, PocketBase would clear the field, and the key would outlive its parent.
        cascadeDelete: true,
      }),
    );
    keys.fields.add(new JSONField({ name: 'roles', maxSize: 400 }));
    keys.indexes = [...keys.indexes, 'CREATE INDEX `idx_api_keys_parent` ON `api_keys` (`parent`)'];
    app.save(keys);
    app
      .db()
      .newQuery(
        'UPDATE api_keys SET roles = json_array((SELECT role FROM users WHERE users.id = api_keys.user))',
      )
      .execute();
  },
  (app) => {
    const keys = app.findCollectionByNameOrId('api_keys');
    keys.indexes = keys.indexes.filter((index) => !index.includes('idx_api_keys_parent'));
    keys.fields.removeByName('parent');
    keys.fields.removeByName('roles');
    app.save(keys);
  },
);
