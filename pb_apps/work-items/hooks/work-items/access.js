/**
 * Who makes a change, and how a change is refused.
 * @typedef {{ kind: 'owner' | 'member' | 'superuser' | 'system', id: string, request: string }} Actor
 */

/** Kept on the record while it is saved. It is no field, so it is neither stored nor sent. */
const ACTOR = '@actor';
/** @type {Actor} */
const SYSTEM = { kind: 'system', id: '', request: '' };
const KINDS = { users: 'owner', pm_members: 'member', _superusers: 'superuser' };
const MAX_REQUEST_ID = 64;
/** Fields of requests whose columns have another name. */
const REFERENCES = /** @type {{ [field: string]: string }} */ ({
  parent_id: 'parent',
  project_id: 'project',
  assignee_id: 'assignee',
  sprint_id: 'sprint',
  work_item_id: 'work_item',
  member_id: 'member',
  blocker_id: 'blocker',
  blocked_id: 'blocked',
  superseded_by_id: 'superseded_by',
});

/**
 * @param {core.RequestEvent} e
 * @returns {Actor}
 */
function actorOf(e) {
  const request = (e.requestInfo().headers['x_request_id'] ?? '').slice(0, MAX_REQUEST_ID);
  const { auth } = e;
  if (!auth) return { kind: 'system', id: '', request };
  const kind = Object.entries(KINDS).find(([name]) => name === auth.collection().name)?.[1] ?? 'system';
  // Of an account that was written while the process runs.
  if (kind === 'owner' && e.app.countRecords('pm_members', $dbx.hashExp({ id: auth.id })) === 0)
    require(`${__hooks}/work-items/owner.js`).writeOwnerMember(e.app);
  return { kind: /** @type {Actor['kind']} */ (kind), id: auth.id, request };
}

/** @param {core.Record} record @param {Actor} actor */
function setActor(record, actor) {
  record.set(ACTOR, JSON.stringify(actor));
}

/** @param {core.Record} record @returns {Actor} */
function readActor(record) {
  const text = record.getString(ACTOR);
  return text === '' ? SYSTEM : JSON.parse(text);
}

/** The id of the member who makes a change; empty for superusers and the system. @param {Actor} actor */
function memberOf({ kind, id }) {
  return kind === 'owner' || kind === 'member' ? id : '';
}

/**
 * An error for one field. It is created here, and thrown by the caller.
 * @param {string} field
 * @param {{ code: string, message: string }} refusal
 * @param {number} [status]
 */
function refusalOf(field, { code, message }, status = 400) {
  return new ApiError(status, message, { [field]: new ValidationError(code, message) });
}

/** @param {string} field @param {{ code: string, message: string } | undefined} refusal @param {number} [status] */
function requireNone(field, refusal, status) {
  if (refusal) throw refusalOf(field, refusal, status);
}

/**
 * Whether a rule of a collection admits the person of a request; null admits superusers only. PocketBase does not ask rules for
 * what a route reads or saves.
 * @param {core.RequestEvent} e
 * @param {core.App} app of the transaction
 * @param {core.Record} record
 * @param {string | null} rule
 */
function isAdmitted(e, app, record, rule) {
  if (e.hasSuperuserAuth()) return true;
  if (rule === null) return false;
  // Rules name the columns of the body.
  const info = e.requestInfo().clone();
  info.body = Object.fromEntries(
    Object.entries(info.body).map(([field, value]) => [REFERENCES[field] ?? field, value]),
  );
  return app.canAccessRecord(record, info, rule);
}

/**
 * Runs in a transaction, and returns the result.
 * @template T
 * @param {core.RequestEvent} e @param {(app: core.App) => T} run
 * @returns {T}
 */
function inTransaction(e, run) {
  /** @type {any[]} */
  const results = [];
  e.app.runInTransaction((app) => {
    results.push(run(app));
  });
  return results[0];
}

/** Now, as PocketBase stores dates. */
function now() {
  return new Date().toISOString().replace('T', ' ');
}

module.exports = {
  REFERENCES,
  actorOf,
  setActor,
  readActor,
  memberOf,
  refusalOf,
  requireNone,
  isAdmitted,
  inTransaction,
  now,
};
