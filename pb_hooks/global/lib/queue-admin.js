// The operations of people and schedules.

const sql = require(`${__hooks}/lib/queue-sql.js`);

const { NOW, TASK_JSON, SUMMARY_JSON } = sql;

const HAS_USER = `({:user} = '' OR EXISTS (SELECT 1 FROM users WHERE id = {:user}))`;

const FIND = `SELECT ${TASK_JSON} AS row FROM global_queue WHERE id = {:id}`;

/**
 * {id, type, payload, sealed, user_id, priority, run_at, max_attempts, timeout_s, unique_key} → {created, task}.
 * A task with the same key that is not finished wins; none for an unknown user. `payload` is JSON text.
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
  };
  const created = db.firstRow(
    `INSERT INTO global_queue (id, type, payload, secrets, user, status, priority, run_at, max_attempts, timeout_s,
       unique_key, created, updated)
     SELECT {:id}, {:type}, {:payload}, {:sealed}, {:user}, 'pending', {:priority},
       iif({:run_at} = '', ${NOW}, {:run_at}), {:max_attempts}, {:timeout_s}, {:unique_key}, ${NOW}, ${NOW}
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

/** {id} → {task} */
function get(db, { id }) {
  return `{"task":${db.firstRow(FIND, { id })}}`;
}

const FILTERS = {
  status: 'status = {:status}',
  type: 'type = {:type}',
  user_id: 'user = {:user_id}',
  signature: 'error_signature = {:signature}',
};
const SORTS = ['created', 'updated', 'run_at', 'priority', 'finished_at'];

/** {page, per_page, sort, full?, status?, type?, user_id?, signature?} → {items, total} */
function list(db, body) {
  const used = Object.keys(FILTERS).filter((name) => body[name]);
  const where = used.length === 0 ? 'TRUE' : used.map((name) => FILTERS[name]).join(' AND ');
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

/** By index in every state; none on `updated` alone, which each claim and each end of a task would have to pay for. */
const CHANGED = `
  SELECT id FROM global_queue INDEXED BY idx_global_queue_updated WHERE status = 'pending' AND updated >= {:since}
  UNION ALL SELECT id FROM global_queue WHERE status = 'processing' AND updated >= {:since}
  UNION ALL SELECT id FROM global_queue
    WHERE status IN ('done', 'failed', 'dead', 'cancelled') AND finished_at >= {:since}`;

/**
 * {since, limit} → {items}: what changed at that moment or later, the oldest first. Times that a clock wrote which was ahead
 * are left out: whoever asks from the last of them on would hear of nothing until then.
 */
function changes(db, { since, limit }) {
  const items = db.rows(
    `SELECT ${SUMMARY_JSON} AS row FROM global_queue WHERE id IN (${CHANGED}) AND updated <= ${NOW}
     ORDER BY updated, id LIMIT {:limit}`,
    { since: since.replace('T', ' '), limit },
  );
  return `{"items":[${items.join(',')}]}`;
}

/** {} → {paused, max_running, counts, now} */
function stats(db) {
  const counts = db.rows(`SELECT '"' || status || '":' || COUNT(*) AS row FROM global_queue GROUP BY status`);
  const settings = db.firstRow(
    `SELECT '"paused":' || iif(paused, 'true', 'false') || ',"max_running":' || max_running AS row FROM queue_settings`,
  );
  const now = db.firstRow(`SELECT replace(${NOW}, ' ', 'T') AS row`);
  return `{${settings},"counts":{${counts.join(',')}},"now":"${now}"}`;
}

/** {paused?, max_running?} → as stats */
function configure(db, { paused, max_running }) {
  if (paused !== undefined) db.execute('UPDATE queue_settings SET paused = {:paused}', { paused });
  if (max_running !== undefined) {
    db.execute('UPDATE queue_settings SET max_running = {:max_running}', { max_running });
  }
  return stats(db);
}

/** {id} → {changed, task}. A task that runs is only marked: its worker stops the handler and says when that is done. */
function cancel(db, { id }) {
  const changed = db.firstRow(
    `UPDATE global_queue SET cancel_requested = TRUE, updated = ${NOW},
       finished_at = iif(status = 'pending', ${NOW}, finished_at),
       status = iif(status = 'pending', 'cancelled', status)
     WHERE id = {:id} AND status IN ('pending', 'processing') RETURNING id AS row`,
    { id },
  );
  return `{"changed":${changed !== null},"task":${db.firstRow(FIND, { id })}}`;
}

/** {id} or {signature} → {ids}: dead letters that are pending again, with all their attempts before them. */
function retry(db, { id, signature }) {
  const ids = db.rows(
    `UPDATE OR IGNORE global_queue SET status = 'pending', attempts = 0, run_at = ${NOW}, finished_at = '',
       cancel_requested = FALSE, updated = ${NOW}
     WHERE status = 'dead' AND ${id ? 'id = {:key}' : 'error_signature = {:key}'} RETURNING id AS row`,
    { key: id || signature },
  );
  return JSON.stringify({ ids });
}

/** {page, per_page} → {items: [{signature, count, last}], total} of the dead letters. */
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

/** {finished_days, dead_days, limit} → {removed}: a bounded number, so that workers do not wait long. */
function prune(db, { finished_days, dead_days, limit }) {
  // Written by a clock that was ahead: they would be kept for as long as that.
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
  return JSON.stringify({ removed: removed.length });
}

const SCHEDULE_JSON = `json_object('name', name, 'cron', cron, 'timezone', timezone, 'task', ${sql.json('task')},
  'next_run_at', ${sql.time('next_run_at')}, 'last_run_at', ${sql.time('last_run_at')})`;

/** {} → {items} */
function schedules(db) {
  const items = db.rows(`SELECT ${SCHEDULE_JSON} AS row FROM queue_schedules ORDER BY name`);
  return `{"items":[${items.join(',')}]}`;
}

/**
 * {id, name, cron, timezone, task, user, next_run_at} → {item}; none for an unknown user. Runs that an earlier form of it
 * missed are dropped.
 */
function schedule(db, body) {
  const item = db.firstRow(
    `INSERT INTO queue_schedules (id, name, cron, timezone, task, next_run_at)
     SELECT {:id}, {:name}, {:cron}, {:timezone}, {:task}, {:next_run_at} WHERE ${HAS_USER}
     ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, timezone = excluded.timezone, task = excluded.task,
       next_run_at = excluded.next_run_at RETURNING ${SCHEDULE_JSON} AS row`,
    {
      id: body.id,
      name: body.name,
      cron: body.cron,
      timezone: body.timezone,
      task: body.task,
      user: body.user || '',
      next_run_at: body.next_run_at.replace('T', ' '),
    },
  );
  return `{"item":${item}}`;
}

/** {name} → {removed} */
function unschedule(db, { name }) {
  const gone = db.firstRow('DELETE FROM queue_schedules WHERE name = {:name} RETURNING name AS row', {
    name,
  });
  return `{"removed":${gone !== null}}`;
}

/** {name, expected, next} → {moved}: another next run, for one of several who try. */
function reschedule(db, { name, expected, next }) {
  const moved = db.firstRow(
    `UPDATE queue_schedules SET next_run_at = {:next}
     WHERE name = {:name} AND next_run_at = {:expected} RETURNING name AS row`,
    { name, next: next.replace('T', ' '), expected: expected.replace('T', ' ') },
  );
  return `{"moved":${moved !== null}}`;
}

/**
 * {name, expected, next, task} → {fired, task}: moves the schedule on and adds its task, for one of several who try; no
 * task for an unknown user. An empty `next` ends the schedule.
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

/** `reads`: changes nothing. `alone`: its statements each make sense without the others. */
const operations = {
  enqueue: { run: enqueue, alone: () => true },
  get: { run: get, reads: true },
  list: { run: list, reads: true },
  changes: { run: changes, reads: true },
  stats: { run: stats, reads: true },
  configure: { run: configure },
  cancel: { run: cancel },
  retry: { run: retry },
  dead: { run: dead, reads: true },
  prune: { run: prune },
  schedules: { run: schedules, reads: true },
  schedule: { run: schedule },
  unschedule: { run: unschedule },
  reschedule: { run: reschedule },
  fire: { run: fire },
};

module.exports = { enqueue, operations };
