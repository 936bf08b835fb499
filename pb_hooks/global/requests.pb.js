/// Every request: deadlines of the server, limits for strangers, and reports of superusers for the audit log.

// A runtime of the hooks stays with a request while its body arrives, by default for up to 5 minutes. Times are in nanoseconds.
// Streams of events are not affected.
$app.onServe().bindFunc((/** @type {{ server: any, next: () => void }} */ e) => {
  e.server.readHeaderTimeout = 10e9;
  e.server.readTimeout = 30e9;
  e.server.idleTimeout = 60e9;
  e.server.maxHeaderBytes = 32 * 1024;
  return e.next();
});

// audit.pb.js reports changes of records. The module is cached per runtime, as in queue-work.pb.js.
routerUse((e) => {
  if (e.request.contentLength === 0 && (e.request.method === 'GET' || !e.hasSuperuserAuth())) return e.next();
  return (globalThis.requestGate ??= require(`${__hooks}/lib/requests.js`)).admit(e);
});
