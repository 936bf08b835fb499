// Webhooks about users and databases. Triggers add the tasks, so that a change and its task are one transaction, with every client.
migrate(
  (app) => {
    const settings = app.findCollectionByNameOrId('queue_settings');
    // EVENT_WEBHOOK_URL is set.
    settings.fields.add(new BoolField({ name: 'event_webhooks' }));
    app.save(settings);

    const now = "strftime('%Y-%m-%d %H:%M:%fZ', 'now')";
    /**
     * @param {string} event its name as SQL
     * @param {string} data the arguments of json_object
     */
    const task = (event, data) =>
      `INSERT INTO global_queue (id, type, payload, status, run_at, max_attempts, timeout_s, created, updated)
       SELECT substr(lower(hex(randomblob(8))), 1, 15), 'webhook.send',
         json_object('type', ${event}, 'timestamp', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'data', json_object(${data})),
         'pending', ${now}, 15, 60, ${now}, ${now}
       FROM queue_settings WHERE event_webhooks`;
    /** @param {'NEW' | 'OLD'} row */
    const ofUser = (row) => `'user', ${row}.id, 'role', ${row}.role`;
    /** @param {'NEW' | 'OLD'} row */
    const ofDatabase = (row) => `'database', ${row}.name, 'user', ${row}.user`;
    const gone = "('deleting', 'trashed')";
    for (const [name, condition, statement] of [
      ['user_created AFTER INSERT ON users', 'TRUE', task("'user.created'", ofUser('NEW'))],
      ['user_deleted AFTER DELETE ON users', 'TRUE', task("'user.deleted'", ofUser('OLD'))],
      [
        'database_moved AFTER UPDATE OF state ON user_databases',
        `(OLD.state = 'provisioning' AND NEW.state = 'ready') OR (OLD.state = 'trashed' AND NEW.state = 'ready')
           OR (OLD.state NOT IN ${gone} AND NEW.state IN ${gone})`,
        task(
          `CASE WHEN NEW.state != 'ready' THEN 'database.deleted'
             WHEN OLD.state = 'trashed' THEN 'database.undeleted' ELSE 'database.ready' END`,
          ofDatabase('NEW'),
        ),
      ],
      [
        'database_removed AFTER DELETE ON user_databases',
        `OLD.state NOT IN ${gone}`,
        task("'database.deleted'", ofDatabase('OLD')),
      ],
      [
        'database_erased AFTER DELETE ON user_databases',
        `OLD.state IN ${gone}`,
        task("'database.erased'", ofDatabase('OLD')),
      ],
    ]) {
      app.db().newQuery(`CREATE TRIGGER event_${name} WHEN ${condition} BEGIN ${statement}; END`).execute();
    }
  },
  (app) => {
    for (const name of [
      'user_created',
      'user_deleted',
      'database_moved',
      'database_removed',
      'database_erased',
    ]) {
      app.db().newQuery(`DROP TRIGGER IF EXISTS event_${name}`).execute();
    }
    const settings = app.findCollectionByNameOrId('queue_settings');
    settings.fields.removeByName('event_webhooks');
    app.save(settings);
  },
);
