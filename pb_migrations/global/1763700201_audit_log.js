// What was done, by whom, from where. Rows are only ever added, each with a keyed hash over itself and the one before it.
migrate(
  (app) => {
    const text = (name, max) => ({ type: 'text', name, max });
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
          // As text, since the hash is over exactly this.
          { ...text('at', 40), required: true },
          // local, session, key, anonymous, superuser
          { ...text('actor_kind', 20), required: true },
          // A user's id; a superuser's e-mail address.
          text('actor', 254),
          text('address', 64),
          { ...text('action', 120), required: true },
          text('target', 300),
          // ok, refused, failed
          { ...text('outcome', 20), required: true },
          text('detail', 2000),
          text('request_id', 64),
          text('previous', 64),
          { ...text('hash', 64), required: true },
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
