/// Reports every writing request of a superuser to the daemon, for its audit log. audit.pb.js reports changes of records.
routerUse((e) => {
  if (e.request.method === 'GET' || !e.hasSuperuserAuth()) return e.next();
  return require(`${__hooks}/lib/superuser.js`).reportRequest(e);
});
