const daemon = require(`${__hooks}/lib/daemon.js`);

const RECORDS = /^\/api\/(batch$|collections\/[^/]+\/records(\/|$))/;

/** Lets the request pass, and tells the daemon how it ended: changes of collections and settings, SQL, backups, impersonation. */
function audited(e) {
  const { method, url } = e.request;
  if (daemon.isFromDaemon(e) || RECORDS.test(url.path)) return e.next();
  const what = { action: `superuser.${method.toLowerCase()}`, target: url.path, actor: e.auth.email() };
  let ok = false;
  try {
    e.next();
    ok = true;
  } finally {
    daemon.tell(e.app, '/internal/superuser', { ...what, ok, ...daemon.originOf(e) }, 3);
  }
}

/** A change of one record, after it was made. */
function changedRecord(e, verb) {
  if (!e.hasSuperuserAuth() || daemon.isFromDaemon(e)) return;
  const what = {
    action: `record.${verb}`,
    target: `${e.collection.name}/${e.record.id}`,
    actor: e.auth.email(),
  };
  daemon.tell(e.app, '/internal/superuser', { ...what, ok: true, ...daemon.originOf(e) }, 3);
}

module.exports = { audited, changedRecord };
