/// What superusers do by hand is told to the daemon, for its audit log: whatever is not read only. Records are told one by one
/// (audit.pb.js).
routerUse((e) => {
  if (e.request.method === 'GET' || !e.hasSuperuserAuth()) return e.next();
  return require(`${__hooks}/lib/superuser.js`).audited(e);
});
