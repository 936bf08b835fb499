const daemon = require(`${__hooks}/lib/daemon.js`);

/** Lets a sign-in pass that is not limited by the daemon, and tells it how that ended. */
function audited(e, identity) {
  let ok = false;
  try {
    e.next();
    ok = true;
  } finally {
    const attempt = { collection: e.collection.name, identity, ...daemon.originOf(e) };
    const end = { ...attempt, ok, attempt: '', user_id: e.record ? e.record.id : '' };
    daemon.tell(e.app, '/internal/sign-ins/ended', end, 3);
  }
}

module.exports = { audited };
