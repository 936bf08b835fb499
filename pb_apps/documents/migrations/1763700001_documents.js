// A first collection, so that a fresh database can be used at once. Applications bring their own in further files.
migrate(
  (app) => {
    // `users` holds the owner alone, so whoever is signed in from it is the owner.
    const owner = "@request.auth.id != '' && @request.auth.collectionName = 'users'";
    const documents = new Collection({
      type: 'base',
      name: 'documents',
      listRule: owner,
      viewRule: owner,
      createRule: owner,
      updateRule: owner,
      deleteRule: owner,
      fields: [
        { type: 'text', name: 'title', max: 500 },
        { type: 'json', name: 'data', maxSize: 1048576 },
        { type: 'file', name: 'files', maxSelect: 20, maxSize: 52428800, protected: true },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
      indexes: ['CREATE INDEX `idx_documents_updated` ON `documents` (`updated`)'],
    });
    app.save(documents);
  },
  (app) => app.delete(app.findCollectionByNameOrId('documents')),
);
