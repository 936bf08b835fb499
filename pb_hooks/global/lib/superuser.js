const daemon = require('./daemon.js');
const superusers = require('../rules/superusers.js');

const { callDaemon, isFromDaemon, originOf } = daemon;
const { actionOf, isRecordRequest } = superusers;

/**
 * Continues with a request of a superuser and reports its outcome: changes of collections and settings, SQL, backups,
 * impersonation.
 *
 * @param {core.RequestEvent} e
 */
function reportRequest(e) {
  const { method, url } = e.request;
  const path = url?.path ?? '';
  if (isFromDaemon(e) || isRecordRequest(path)) return e.next();
  const report = { action: actionOf(method), target: path, actor: e.auth?.email() ?? '' };
  let ok = false;
  try {
    e.next();
    ok = true;
  } finally {
    callDaemon(e.app, '/internal/superuser', { ...report, ok, ...originOf(e) }, 3);
  }
}

/**
 * Reports a changed record.
 *
 * @param {core.RecordRequestEvent} e
 * @param {'create' | 'update' | 'delete'} verb
 */
function reportRecord(e, verb) {
  if (!e.hasSuperuserAuth() || isFromDaemon(e)) return;
  const report = {
    action: `record.${verb}`,
    target: `${e.collection.name}/${e.record.id}`,
    actor: e.auth?.email() ?? '',
  };
  callDaemon(e.app, '/internal/superuser', { ...report, ok: true, ...originOf(e) }, 3);
}

module.exports = { reportRecord, reportRequest };
