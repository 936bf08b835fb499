// The people of a database. The owner signs in as a user, and has a member with the same id, to be named in relations.
migrate(
  (app) => {
    const isOwner = "@request.auth.collectionName = 'users'";
    const isActive = "@request.auth.collectionName = 'pm_members' && @request.auth.is_active = true";
    const manager = `(${isOwner} || (${isActive} && (@request.auth.role = 'owner' || @request.auth.role = 'admin')))`;
    const members = new Collection({
      type: 'auth',
      name: 'pm_members',
      listRule: null,
      viewRule: null,
      createRule: null,
      updateRule: null,
      // Members are deactivated: others refer to them.
      deleteRule: null,
      manageRule: isOwner,
      authRule: 'is_active = true',
      fields: [
        {
          type: 'text',
          name: 'id',
          system: true,
          primaryKey: true,
          required: true,
          min: 15,
          max: 36,
          pattern: '^[a-z0-9-]+$',
          autogeneratePattern: '[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}',
        },
        // The member of the owner has no address, so no person signs in as it.
        { type: 'email', name: 'email', system: true, required: false },
        { type: 'text', name: 'name', max: 200 },
        {
          type: 'select',
          name: 'role',
          required: true,
          maxSelect: 1,
          values: ['owner', 'admin', 'member', 'viewer'],
        },
        { type: 'bool', name: 'is_active' },
        { type: 'autodate', name: 'created', onCreate: true, onUpdate: false },
        { type: 'autodate', name: 'updated', onCreate: true, onUpdate: true },
      ],
    });
    members.authAlert.enabled = false;
    app.save(members);
    // Rules that name fields need the fields.
    members.listRule = `${isOwner} || (${isActive})`;
    members.viewRule = members.listRule;
    members.createRule = `${manager} && @request.body.role != 'owner' && @request.body.email != ''`;
    members.updateRule =
      `(${isOwner} && (@request.body.role:changed = false || @request.body.role != 'owner'))` +
      ` || (id = @request.auth.id && ${isActive} && @request.body.role:changed = false && @request.body.is_active:changed = false)`;
    members.indexes = [
      ...members.indexes.map((index) => index.replace('(`email`)', '(`email` COLLATE NOCASE)')),
      'CREATE INDEX `idx_pm_members_role` ON `pm_members` (`role`)',
    ];
    app.save(members);
    for (const sql of [
      `CREATE TRIGGER pm_members_owner BEFORE UPDATE OF role ON pm_members
        WHEN OLD.role <> NEW.role AND 'owner' IN (OLD.role, NEW.role)
        BEGIN SELECT RAISE(ABORT, 'role_of_owner'); END`,
      // Hooks do the same at each start, for owners that are written later.
      `INSERT INTO pm_members (id, email, emailVisibility, verified, password, tokenKey, name, role, is_active, created, updated)
        SELECT id, '', FALSE, FALSE, '-', lower(hex(randomblob(25))), name, 'owner', TRUE,
          strftime('%Y-%m-%d %H:%M:%fZ'), strftime('%Y-%m-%d %H:%M:%fZ') FROM users`,
    ])
      app.db().newQuery(sql).execute();
  },
  (app) => app.delete(app.findCollectionByNameOrId('pm_members')),
);
