onBootstrap((e) => {
  e.next();
  const { writeOwnerMember } = require(`${__hooks}/work-items/owner.js`);
  const { purge } = require(`${__hooks}/work-items/removal.js`);
  for (const run of [writeOwnerMember, purge]) {
    try {
      run(e.app);
    } catch (error) {
      // A full disk must not keep the database from its start.
      e.app.logger().error(`work items: ${run.name} failed`, 'error', String(error));
    }
  }
});

// The person who makes a change, for the activity log.
onRecordCreateRequest(
  (e) => {
    const { actorOf, setActor } = require(`${__hooks}/work-items/access.js`);
    setActor(e.record, actorOf(e));
    e.next();
  },
  'pm_members',
  'pm_work_items',
  'pm_sprints',
  'pm_comments',
  'pm_time_entries',
  'pm_dependencies',
  'pm_swim_lanes',
  'pm_llm_context',
);
onRecordUpdateRequest(
  (e) => {
    const { actorOf, setActor } = require(`${__hooks}/work-items/access.js`);
    setActor(e.record, actorOf(e));
    if (e.record.collection().name === 'pm_work_items')
      require(`${__hooks}/work-items/items.js`).checkVersion(e);
    e.next();
  },
  'pm_members',
  'pm_work_items',
  'pm_sprints',
  'pm_comments',
  'pm_time_entries',
  'pm_swim_lanes',
  'pm_llm_context',
);
onRecordDeleteRequest(
  (e) => require(`${__hooks}/work-items/removal.js`).markDeleted(e),
  'pm_work_items',
  'pm_sprints',
  'pm_comments',
  'pm_time_entries',
  'pm_swim_lanes',
  'pm_llm_context',
);
onRecordDeleteRequest((e) => {
  const { actorOf, setActor } = require(`${__hooks}/work-items/access.js`);
  setActor(e.record, actorOf(e));
  e.next();
}, 'pm_dependencies');

onRecordCreate((e) => require(`${__hooks}/work-items/items.js`).prepareItem(e), 'pm_work_items');
onRecordCreateExecute((e) => require(`${__hooks}/work-items/items.js`).createItem(e), 'pm_work_items');
onRecordUpdateExecute((e) => require(`${__hooks}/work-items/items.js`).changeItem(e), 'pm_work_items');

onRecordCreate(
  (e) => require(`${__hooks}/work-items/others.js`).prepare(e),
  'pm_sprints',
  'pm_comments',
  'pm_time_entries',
  'pm_dependencies',
  'pm_llm_context',
);
onRecordUpdate(
  (e) => require(`${__hooks}/work-items/others.js`).prepare(e),
  'pm_sprints',
  'pm_comments',
  'pm_time_entries',
  'pm_llm_context',
);
onRecordCreateExecute(
  (e) => require(`${__hooks}/work-items/others.js`).save(e),
  'pm_members',
  'pm_sprints',
  'pm_comments',
  'pm_time_entries',
  'pm_dependencies',
  'pm_swim_lanes',
  'pm_llm_context',
);
onRecordUpdateExecute(
  (e) => require(`${__hooks}/work-items/others.js`).save(e),
  'pm_members',
  'pm_sprints',
  'pm_comments',
  'pm_time_entries',
  'pm_swim_lanes',
  'pm_llm_context',
);
onRecordDeleteExecute((e) => require(`${__hooks}/work-items/others.js`).remove(e), 'pm_dependencies');

routerAdd(
  'POST',
  '/api/v1/work-items/{id}/restore',
  (e) => e.json(200, require(`${__hooks}/work-items/removal.js`).restore(e)),
  $apis.requireAuth('users', 'pm_members', '_superusers'),
);
routerAdd(
  'POST',
  '/api/v1/work-items',
  (e) => require(`${__hooks}/work-items/routes.js`).createItem(e),
  $apis.requireAuth('users', 'pm_members', '_superusers'),
);
routerAdd(
  'GET',
  '/api/v1/work-items',
  (e) => require(`${__hooks}/work-items/routes.js`).listItems(e),
  $apis.requireAuth('users', 'pm_members', '_superusers'),
);
routerAdd(
  'GET',
  '/api/v1/work-items/{id}',
  (e) => require(`${__hooks}/work-items/routes.js`).getItem(e),
  $apis.requireAuth('users', 'pm_members', '_superusers'),
);
routerAdd(
  'POST',
  '/api/v1/sprints/{id}/start',
  (e) => require(`${__hooks}/work-items/sprints.js`).startSprint(e),
  $apis.requireAuth('users', 'pm_members', '_superusers'),
);
routerAdd(
  'POST',
  '/api/v1/sprints/{id}/complete',
  (e) => require(`${__hooks}/work-items/sprints.js`).completeSprint(e),
  $apis.requireAuth('users', 'pm_members', '_superusers'),
);
