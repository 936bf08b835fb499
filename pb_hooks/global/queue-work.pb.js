/// The operations of the queue, for the daemon and its workers only. queue/ describes and implements them. PocketBase runs one
/// writer at a time, so a statement changes exactly the rows that it read. The module is cached per engine: require() checks the
/// disk at each call, even for a loaded module.
routerAdd(
  'POST',
  '/api/fathom/queue/{operation}',
  (e) => (globalThis.queueRoute ??= require(`${__hooks}/queue/route.js`)).answer(e),
  $apis.skipSuccessActivityLog(),
);

// For tasks that are added in PocketBase's dashboard or by another hook. The daemon knows the tasks of its API already.
onRecordAfterCreateSuccess((e) => {
  e.next();
  require(`${__hooks}/lib/daemon.js`).callDaemon(e.app, '/internal/queue/wake', {}, 1);
}, 'global_queue');

// The schedules of a deleted user. The tasks are deleted by their relation.
onRecordDeleteExecute((e) => {
  e.next();
  e.app
    .db()
    .newQuery("DELETE FROM queue_schedules WHERE json_extract(task, '$.user_id') = {:user}")
    .bind({ user: e.record.id })
    .execute();
}, 'users');
