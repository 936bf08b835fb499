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

// In a block, because the files of other applications share the top level.
{
  const { MARKED } = require(`${__hooks}/work-items/collections.js`);
  const CHANGED = ['pm_members', ...MARKED];
  const PREPARED = ['pm_sprints', 'pm_comments', 'pm_time_entries', 'pm_llm_context'];
  const SAVED = ['pm_members', 'pm_swim_lanes', ...PREPARED];

  // The person who makes a change, for the activity log.
  onRecordCreateRequest(
    (e) => {
      const { actorOf, setActor } = require(`${__hooks}/work-items/access.js`);
      setActor(e.record, actorOf(e));
      e.next();
    },
    'pm_dependencies',
    ...CHANGED,
  );
  onRecordUpdateRequest(
    (e) => {
      const { actorOf, setActor } = require(`${__hooks}/work-items/access.js`);
      setActor(e.record, actorOf(e));
      if (e.record.collection().name === 'pm_work_items')
        require(`${__hooks}/work-items/items.js`).checkVersion(e, e.record);
      e.next();
    },
    ...CHANGED,
  );
  onRecordDeleteRequest((e) => require(`${__hooks}/work-items/removal.js`).deleteRecord(e), ...MARKED);

  onRecordCreate(
    (e) => require(`${__hooks}/work-items/others.js`).prepare(e),
    'pm_dependencies',
    ...PREPARED,
  );
  onRecordUpdate((e) => require(`${__hooks}/work-items/others.js`).prepare(e), ...PREPARED);
  onRecordCreateExecute(
    (e) => require(`${__hooks}/work-items/others.js`).save(e),
    'pm_dependencies',
    ...SAVED,
  );
  onRecordUpdateExecute((e) => require(`${__hooks}/work-items/others.js`).save(e), ...SAVED);
}

onRecordDeleteRequest((e) => {
  const { actorOf, setActor } = require(`${__hooks}/work-items/access.js`);
  setActor(e.record, actorOf(e));
  e.next();
}, 'pm_dependencies');
onRecordDeleteExecute((e) => require(`${__hooks}/work-items/others.js`).remove(e), 'pm_dependencies');

onRecordCreate((e) => require(`${__hooks}/work-items/items.js`).prepareItem(e), 'pm_work_items');
onRecordCreateExecute((e) => require(`${__hooks}/work-items/items.js`).createItem(e), 'pm_work_items');
onRecordUpdateExecute((e) => require(`${__hooks}/work-items/items.js`).changeItem(e), 'pm_work_items');

{
  const { OPERATIONS } = require(`${__hooks}/work-items/operations.js`);
  for (const { method, path } of Object.values(OPERATIONS))
    routerAdd(
      method,
      path,
      (e) => require(`${__hooks}/work-items/routes/answer.js`).answer(e),
      $apis.requireAuth('users', 'pm_members', '_superusers'),
    );
}
