// Invitations to sign up. Only hashes of their tokens are stored.
migrate(
  (app) => {
    app.save(
      new Collection({
        type: 'base',
        name: 'invitations',
        listRule: null,
        viewRule: null,
        createRule: null,
        updateRule: null,
        deleteRule: null,
        fields: [
          // SHA-256 of the token, which has 256 random bits.
          { type: 'text', name: 'hash', required: true, hidden: true, max: 64 },
          // The only address that can use it; empty for every address.
          { type: 'text', name: 'email', max: 254 },
          // The token was sent to that address and shown to no one, so its use proves the address.
          { type: 'bool', name: 'mailed' },
          // Of the account; empty for the default one.
          { type: 'text', name: 'plan', max: 40 },
          { type: 'number', name: 'max_uses', required: true, onlyInt: true, min: 1 },
          { type: 'number', name: 'uses', onlyInt: true, min: 0 },
          { type: 'date', name: 'expires_at', required: true },
          // Id of the administrator; empty for the local socket.
          { type: 'text', name: 'created_by', max: 64 },
          { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        ],
        indexes: [
          'CREATE UNIQUE INDEX `idx_invitations_hash` ON `invitations` (`hash`)',
          'CREATE INDEX `idx_invitations_expires` ON `invitations` (`expires_at`)',
        ],
      }),
    );
  },
  (app) => app.delete(app.findCollectionByNameOrId('invitations')),
);
