// Operations for administrators, users and schedules.

const sql = require('./sql.js');

/**
 * @typedef {import('./sql.js').Database} Database
 * @typedef {import('../../../shared/hooks/queue-operations.ts').QueueOperations} Operations
 */

const { NOW, TASK_JSON, SUMMARY_JSON } = sql;

const HAS_USER = `({:user} = '' OR EXISTS (SELECT 1 FROM users WHERE id = {:user}))`;

const FIND = `SELECT ${TASK_JSON} AS row FROM global_queue WHERE id = {:id}`;

/**
 * Adds a task. An unfinished task with the same key is returned instead; null for an unknown user.
 *
 * @param {Database} db
 * @param {Operations['enqueue']['request']} body
 */
function enqueue(db, body) {
  const parameters = {
    id: body.id,
    type: body.type,
    payload: body.payload,
    sealed: body.sealed || '',
    user: body.user_id || '',
    priority: body.priority,
    run_at: body.run_at || '',
    max_attempts: body.max_attempts,
    timeout_s: body.timeout_s,
    unique_key: body.unique_key || '',
    by_owner: body.by_owner ? 1 : 0,
  };
  const created = db.firstRow(
    `INSERT INTO global_queue (id, type, payload, secrets, user, status, priority, run_at, max_attempts, timeout_s,
       unique_key, by_owner, created, updated)
     SELECT {:id}, {:type}, {:payload}, {:sealed}, {:user}, 'pending', {:priority},
       iif({:run_at} = '', ${NOW}, {:run_at}), {:max_attempts}, {:timeout_s}, {:unique_key}, {:by_owner},
       ${NOW}, ${NOW}
     WHERE ${HAS_USER}
     ON CONFLICT DO NOTHING RETURNING ${TASK_JSON} AS row`,
    parameters,
  );
  if (created !== null) return `{"created":true,"task":${created}}`;
  const known = db.firstRow(
    `SELECT ${TASK_JSON} AS row FROM global_queue
     WHERE unique_key = {:key} AND unique_key != '' AND status IN ('pending', 'processing') LIMIT 1`,
    { key: parameters.unique_key },
  );
  return `{"created":false,"task":${known}}`;
}

/**
 * Returns a task, or null.
 *
 * @param {Database} db
 * @param {Operations['get']['request']} body
 */
function get(db, { id }) {
  return `{"task":${db.firstRow(FIND, { id })}}`;
}

const FILTERS = {
  status: 'status = {:status}',
  type: 'type = {:type}',
  user_id: 'user = {:user_id}',
  signature: 'error_signature = {:signature}',
};
/** @type {('status' | 'type' | 'user_id' | 'signature')[]} */
const FILTER_NAMES = ['status', 'type', 'user_id', 'signature'];
const SORTS = ['created', 'updated', 'run_at', 'priority', 'finished_at'];

/**
 * Returns one page of tasks.
 *
 * @param {Database} db
 * @param {Operations['list']['request']} body
 */
function list(db, body) {
  const used = FILTER_NAMES.filter((name) => body[name]);
  const where = used.length === 0 ? 'TRUE' : used.map((name) => FILTERS[name]).join(' AND ');
  /** @type {import('./sql.js').Parameters} */
  const parameters = {};
  for (const name of used) parameters[name] = body[name];
  const column = body.sort.replace('-', '');
  const order = SORTS.indexOf(column) < 0 ? 'created' : column;
  const direction = body.sort[0] === '-' ? 'DESC' : 'ASC';
  const total = db.firstRow(`SELECT COUNT(*) || '' AS row FROM global_queue WHERE ${where}`, parameters);
  const items = db.rows(
    `SELECT ${body.full ? TASK_JSON : SUMMARY_JSON} AS row FROM global_queue WHERE ${where}
     ORDER BY ${order} ${direction}, id LIMIT {:limit} OFFSET {:offset}`,
    { ...parameters, limit: body.per_page, offset: (body.page - 1) * body.per_page },
  );
  return `{"items":[${items.join(',')}],"total":${total}}`;
}

/** Uses an index in every status. An index on `updated` alone would slow down each claim and each end of a task. */
const CHANGED = `
  SELECT id FROM global_queue INDEXED BY idx_global_queue_updated WHERE status = 'pending' AND updated >= {:since}
  UNION ALL SELECT id FROM global_queue WHERE status = 'processing' AND updated >= {:since}
  UNION ALL SELECT id FROM global_queue
    WHERE status IN ('done', 'failed', 'dead', 'cancelled') AND finished_at >= {:since}`;

/**
 * Returns tasks that changed at `since` or later, the oldest first. Times in the future, written before the clock was set
 * back, are left out: the next request starts at the last time, and would return nothing until then.
 *
 * @param {Database} db
 * @param {Operations['changes']['request']} body
 */
function changes(db, { since, limit }) {
  const items = db.rows(
    `SELECT ${SUMMARY_JSON} AS row FROM global_queue WHERE id IN (${CHANGED}) AND updated <= ${NOW}
     ORDER BY updated, id LIMIT {:limit}`,
    { since: since.replace('T', ' '), limit },
  );
  return `{"items":[${items.join(',')}]}`;
}

/**
 * Returns the settings, and the number of tasks per status.
 *
 * @param {Database} db
 */
function stats(db) {
  const counts = db.rows(`SELECT '"' || status || '":' || COUNT(*) AS row FROM global_queue GROUP BY status`);
  const settings = db.firstRow(
    `SELECT '"paused":' || iif(paused, 'true', 'false') || ',"max_running":' || max_running AS row FROM queue_settings`,
  );
  const now = db.firstRow(`SELECT replace(${NOW}, ' ', 'T') AS row`);
  return `{${settings},"counts":{${counts.join(',')}},"now":"${now}"}`;
}

/**
 * Changes settings and returns the stats.
 *
 * @param {Database} db
 * @param {Operations['configure']['request']} body
 */
function configure(db, { paused, max_running, event_webhooks }) {
  if (paused !== undefined) db.execute('UPDATE queue_settings SET paused = {:paused}', { paused });
  if (max_running !== undefined) {
    db.execute('UPDATE queue_settings SET max_running = {:max_running}', { max_running });
  }
  if (event_webhooks !== undefined) {
    db.execute('UPDATE queue_settings SET event_webhooks = {:event_webhooks}', { event_webhooks });
  }
  return stats(db);
}

/**
 * Counts the tasks of one type that an owner has added. `free_in_ms` is the time until another one is allowed.
 *
 * @param {Database} db
 * @param {Operations['count-owned']['request']} body
 */
function countOwned(db, { user_id, type, per_hour }) {
  const owned = 'user = {:user_id} AND type = {:type} AND by_owner';
  const waiting = db.firstRow(
    `SELECT COUNT(*) || '' AS row FROM global_queue WHERE ${owned} AND status = 'pending'`,
    { user_id, type },
  );
  // A clock that was set back makes none wait for longer than the hour.
  const freeInMs = db.firstRow(
    `SELECT CAST(MIN(1.0 / 24, julianday(created) + 1.0 / 24 - julianday('now')) * 86400000 AS INTEGER) || '' AS row
     FROM global_queue WHERE ${owned} AND created > strftime('%Y-%m-%d %H:%M:%fZ', 'now', '-1 hour')
     ORDER BY created DESC LIMIT 1 OFFSET {:newer}`,
    { user_id, type, newer: per_hour - 1 },
  );
  return `{"waiting":${waiting},"free_in_ms":${freeInMs}}`;
}

/**
 * Cancels a task. A running task is only marked: its worker stops the handler and reports the end. For an owner, only a task
 * that the owner has added.
 *
 * @param {Database} db
 * @param {Operations['cancel']['request']} body
 */
function cancel(db, { id, owner }) {
  const isAllowed = "({:owner} = '' OR (user = {:owner} AND by_owner))";
  const allowed = { id, owner: owner || '' };
  const changed = db.firstRow(
    `UPDATE global_queue SET cancel_requested = TRUE, updated = ${NOW},
       finished_at = iif(status = 'pending', ${NOW}, finished_at),
       status = iif(status = 'pending', 'cancelled', status)
     WHERE id = {:id} AND status IN ('pending', 'processing') AND ${isAllowed} RETURNING id AS row`,
    allowed,
  );
  return `{"changed":${changed !== null},"task":${db.firstRow(`${FIND} AND ${isAllowed}`, allowed)}}`;
}

/**
 * Retries one dead letter, or all with a signature, with all their attempts.
 *
 * @param {Database} db
 * @param {{ id?: string, signature?: string }} body
 */
function retry(db, { id, signature }) {
  const ids = db.rows(
    `UPDATE OR IGNORE global_queue SET status = 'pending', attempts = 0, run_at = ${NOW}, finished_at = '',
       cancel_requested = FALSE, updated = ${NOW}
     WHERE status = 'dead' AND ${id ? 'id = {:key}' : 'error_signature = {:key}'} RETURNING id AS row`,
    { key: id || signature },
  );
  /** @type {Operations['retry']['response']} */
  const response = { ids };
  return JSON.stringify(response);
}

/**
 * Returns one page of the groups of dead letters.
 *
 * @param {Database} db
 * @param {Operations['dead']['request']} body
 */
function dead(db, { page, per_page }) {
  const items = db.rows(
    `SELECT json_object('signature', error_signature, 'count', COUNT(*), 'last', replace(MAX(finished_at), ' ', 'T')) AS row
     FROM global_queue WHERE status = 'dead' GROUP BY error_signature ORDER BY COUNT(*) DESC, error_signature
     LIMIT {:limit} OFFSET {:offset}`,
    { limit: per_page, offset: (page - 1) * per_page },
  );
  const total = db.firstRow(
    `SELECT COUNT(DISTINCT error_signature) || '' AS row FROM global_queue WHERE status = 'dead'`,
  );
  return `{"items":[${items.join(',')}],"total":${total}}`;
}

/**
 * Removes old tasks. Their number is limited, so that workers do not wait long.
 *
 * @param {Database} db
 * @param {Operations['prune']['request']} body
 */
function prune(db, { finished_days, dead_days, limit }) {
  // Times in the future were written before the clock was set back. These tasks would be kept until then.
  db.execute(
    `UPDATE global_queue SET finished_at = ${NOW}
     WHERE status IN ('done', 'cancelled', 'dead') AND finished_at > ${sql.fromNow('ahead')}`,
    { ahead: sql.CLOCK_TOLERANCE },
  );
  const removed = db.rows(
    `DELETE FROM global_queue WHERE id IN (
       SELECT id FROM global_queue
       WHERE (status IN ('done', 'cancelled') AND finished_at < strftime('%Y-%m-%d %H:%M:%fZ', 'now', {:finished}))
          OR (status = 'dead' AND finished_at < strftime('%Y-%m-%d %H:%M:%fZ', 'now', {:dead}))
       LIMIT {:limit}) RETURNING id AS row`,
    { finished: `-${finished_days} days`, dead: `-${dead_days} days`, limit },
  );
  /** @type {Operations['prune']['response']} */
  const response = { removed: removed.length };
  return JSON.stringify(response);
}

const SCHEDULE_JSON = `json_object('name', name, 'cron', cron, 'timezone', timezone, 'task', ${sql.json('task')},
  'all_databases', ${sql.json('all_databases')},
  'next_run_at', ${sql.time('next_run_at')}, 'last_run_at', ${sql.time('last_run_at')})`;

/**
 * Returns all schedules.
 *
 * @param {Database} db
 */
function schedules(db) {
  const items = db.rows(`SELECT ${SCHEDULE_JSON} AS row FROM queue_schedules ORDER BY name`);
  return `{"items":[${items.join(',')}]}`;
}

/**
 * Adds or replaces a schedule; null for an unknown user. Missed runs of the replaced schedule are dropped.
 *
 * @param {Database} db
 * @param {Operations['schedule']['request']} body
 */
function schedule(db, body) {
  const item = db.firstRow(
    `INSERT INTO queue_schedules (id, name, cron, timezone, task, all_databases, next_run_at)
     SELECT {:id}, {:name}, {:cron}, {:timezone}, {:task}, {:all_databases}, {:next_run_at} WHERE ${HAS_USER}
     ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, timezone = excluded.timezone, task = excluded.task,
       all_databases = excluded.all_databases, next_run_at = excluded.next_run_at RETURNING ${SCHEDULE_JSON} AS row`,
    {
      id: body.id,
      name: body.name,
      cron: body.cron,
      timezone: body.timezone,
      task: body.task,
      all_databases: body.all_databases,
      user: body.user || '',
      next_run_at: body.next_run_at.replace('T', ' '),
    },
  );
  return `{"item":${item}}`;
}

/**
 * Removes a schedule.
 *
 * @param {Database} db
 * @param {Operations['unschedule']['request']} body
 */
function unschedule(db, { name }) {
  const gone = db.firstRow('DELETE FROM queue_schedules WHERE name = {:name} RETURNING name AS row', {
    name,
  });
  return `{"removed":${gone !== null}}`;
}

/**
 * Changes the time of the next run. Of several concurrent requests, one succeeds.
 *
 * @param {Database} db
 * @param {Operations['reschedule']['request']} body
 */
function reschedule(db, { name, expected, next }) {
  const moved = db.firstRow(
    `UPDATE queue_schedules SET next_run_at = {:next}
     WHERE name = {:name} AND next_run_at = {:expected} RETURNING name AS row`,
    { name, next: next.replace('T', ' '), expected: expected.replace('T', ' ') },
  );
  return `{"moved":${moved !== null}}`;
}

/**
 * Sets the next run and adds the task of a schedule. Of several concurrent requests, one succeeds. `task` is null for an unknown
 * user.
 *
 * @param {Database} db
 * @param {Operations['fire']['request']} body
 */
function fire(db, { name, expected, next, task }) {
  const moved = db.firstRow(
    `UPDATE queue_schedules SET next_run_at = {:next}, last_run_at = iif(${HAS_USER}, ${NOW}, last_run_at)
     WHERE name = {:name} AND next_run_at = {:expected} RETURNING name AS row`,
    { name, next: next.replace('T', ' '), expected: expected.replace('T', ' '), user: task.user_id || '' },
  );
  if (moved === null) return '{"fired":false,"task":null}';
  return enqueue(db, task).replace('{"created"', '{"fired":true,"created"');
}

/**
 * Sets the next run and adds the tasks of a schedule over all databases. Of several concurrent requests, one succeeds. A
 * database gets no task while the one with its key is not finished, and none without its user.
 *
 * @param {Database} db
 * @param {Operations['fire-all']['request']} body
 */
function fireAll(db, { name, expected, next, task, databases }) {
  const moved = db.firstRow(
    `UPDATE queue_schedules SET next_run_at = {:next}, last_run_at = iif({:databases} > 0, ${NOW}, last_run_at)
     WHERE name = {:name} AND next_run_at = {:expected} RETURNING name AS row`,
    { name, next: next.replace('T', ' '), expected: expected.replace('T', ' '), databases: databases.length },
  );
  if (moved === null) return '{"added":0}';
  const added = db.execute(
    `INSERT INTO global_queue (id, type, payload, user, status, priority, run_at, max_attempts, timeout_s, unique_key,
       for_all, created, updated)
     SELECT value ->> 'id', {:type}, {:payload}, users.id, 'pending', {:priority}, ${NOW}, {:max_attempts}, {:timeout_s},
       value ->> 'unique_key', TRUE, ${NOW}, ${NOW}
     FROM json_each({:databases}) JOIN users ON users.id = value ->> 'user_id' WHERE TRUE
     ON CONFLICT DO NOTHING`,
    {
      type: task.type,
      payload: task.payload,
      priority: task.priority,
      max_attempts: task.max_attempts,
      timeout_s: task.timeout_s,
      databases: JSON.stringify(databases),
    },
  );
  return `{"added":${added}}`;
}

/** @satisfies {{ [name: string]: import('./execution.js').Operation }} */
const operations = {
  enqueue: { run: enqueue, isIndependent: () => true },
  get: { run: get, reads: true },
  list: { run: list, reads: true },
  changes: { run: changes, reads: true },
  stats: { run: stats, reads: true },
  configure: { run: configure },
  'count-owned': { run: countOwned, reads: true },
  cancel: { run: cancel },
  retry: { run: retry },
  dead: { run: dead, reads: true },
  prune: { run: prune },
  schedules: { run: schedules, reads: true },
  schedule: { run: schedule },
  unschedule: { run: unschedule },
  reschedule: { run: reschedule },
  fire: { run: fire },
  'fire-all': { run: fireAll },
};

module.exports = { enqueue, operations };
