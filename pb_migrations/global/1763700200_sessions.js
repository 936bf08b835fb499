// Sessions of users, and API keys of programs. Only hashes are stored: a reader of these tables cannot sign in with them.
migrate(
  (app) => {
    const users = app.findCollectionByNameOrId('users');
    const closed = { listRule: null, viewRule: null, createRule: null, updateRule: null, deleteRule: null };
    const user = {
      type: 'relation',
      name: 'user',
      required: true,
      collectionId: users.id,
      maxSelect: 1,
      cascadeDelete: true,
    };
    const created = { type: 'autodate', name: 'created', onCreate: true, onUpdate: false };

    app.save(
      new Collection({
        ...closed,
        type: 'base',
        name: 'sessions',
        fields: [
          // SHA-256 of the token's id.
          { type: 'text', name: 'hash', required: true, hidden: true, max: 64 },
          user,
          { type: 'text', name: 'user_agent', max: 300 },
          { type: 'text', name: 'address', max: 64 },
          { type: 'date', name: 'expires_at', required: true },
          created,
        ],
        indexes: [
          'CREATE UNIQUE INDEX `idx_sessions_hash` ON `sessions` (`hash`)',
          'CREATE INDEX `idx_sessions_user` ON `sessions` (`user`)',
          'CREATE INDEX `idx_sessions_expires` ON `sessions` (`expires_at`)',
        ],
      }),
    );

    app.save(
      new Collection({
        ...closed,
        type: 'base',
        name: 'api_keys',
        fields: [
          { type: 'text', name: 'name', required: true, max: 120 },
          // The part of the key that may be shown.
          { type: 'text', name: 'prefix', required: true, pattern: '^[a-z0-9]{12}$' },
          // SHA-256 of the whole key, which has 256 random bits.
          { type: 'text', name: 'hash', required: true, hidden: true, max: 64 },
          user,
          { type: 'json', name: 'permissions', maxSize: 4000 },
          { type: 'date', name: 'expires_at' },
          { type: 'date', name: 'last_used_at' },
          created,
        ],
        indexes: [
          'CREATE UNIQUE INDEX `idx_api_keys_prefix` ON `api_keys` (`prefix`)',
          'CREATE UNIQUE INDEX `idx_api_keys_hash` ON `api_keys` (`hash`)',
          'CREATE INDEX `idx_api_keys_user` ON `api_keys` (`user`)',
        ],
      }),
    );
  },
  (app) => {
    app.delete(app.findCollectionByNameOrId('api_keys'));
    app.delete(app.findCollectionByNameOrId('sessions'));
  },
);
