/// The operations of the queue, for the daemon and its workers only. Writers take turns, so what a statement reads is what
/// it changes; lib/queue.js says what each operation does. The route is kept by the engine it runs in: even a module that
/// is loaded already is looked for on the disk by each require().
routerAdd(
  'POST',
  '/api/fathom/queue/{operation}',
  (e) => (globalThis.queueRoute ??= require(`${__hooks}/lib/queue-route.js`)).answer(e),
  $apis.skipSuccessActivityLog(),
);

// A task that was made in PocketBase's own interface or by another hook; those of the API are known to the daemon.
onRecordAfterCreateSuccess((e) => {
  e.next();
  require(`${__hooks}/lib/daemon.js`).tell(e.app, '/internal/queue/wake', {}, 1);
}, 'global_queue');

// Schedules that work for somebody go with them, as their tasks do.
onRecordDeleteExecute((e) => {
  e.next();
  e.app
    .db()
    .newQuery("DELETE FROM queue_schedules WHERE json_extract(task, '$.user_id') = {:user}")
    .bind({ user: e.record.id })
    .execute();
}, 'users');
