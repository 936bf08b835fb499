// The audit log: action, actor, address. Rows are only added. The keyed hash of each row covers the row and the hash before it.
migrate(
  (app) => {
    app.save(
      new Collection({
        type: 'base',
        name: 'audit_log',
        listRule: null,
        viewRule: null,
        createRule: null,
        updateRule: null,
        deleteRule: null,
        fields: [
          { type: 'number', name: 'seq', required: true, onlyInt: true, min: 1 },
          // As text, because the hash covers exactly this text.
          { type: 'text', name: 'at', required: true, max: 40 },
          // local, session, key, anonymous, superuser
          { type: 'text', name: 'actor_kind', required: true, max: 20 },
          // A user's id; a superuser's e-mail address.
          { type: 'text', name: 'actor', max: 254 },
          { type: 'text', name: 'address', max: 64 },
          { type: 'text', name: 'action', required: true, max: 120 },
          { type: 'text', name: 'target', max: 300 },
          // ok, refused, failed
          { type: 'text', name: 'outcome', required: true, max: 20 },
          { type: 'text', name: 'detail', max: 2000 },
          { type: 'text', name: 'request_id', max: 64 },
          { type: 'text', name: 'previous', max: 64 },
          { type: 'text', name: 'hash', required: true, max: 64 },
        ],
        indexes: [
          'CREATE UNIQUE INDEX `idx_audit_log_seq` ON `audit_log` (`seq`)',
          'CREATE INDEX `idx_audit_log_action` ON `audit_log` (`action`, `seq`)',
        ],
      }),
    );
  },
  (app) => app.delete(app.findCollectionByNameOrId('audit_log')),
);
