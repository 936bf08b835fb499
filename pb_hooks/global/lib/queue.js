// The operations of workers. `worker` names who asks; with the epoch of its lease it is refused once another has the task.

const sql = require(`${__hooks}/lib/queue-sql.js`);
const { enqueue } = require(`${__hooks}/lib/queue-admin.js`);

const { NOW, CLAIM_JSON } = sql;

/** The lease is this worker's, of this epoch, and has not run out. */
const HELD =
  `id = {:id} AND worker_id = {:worker} AND lease_epoch = {:epoch} AND status = 'processing' ` +
  `AND lease_expires_at > ${NOW}`;

const RELEASED = `claimed_at = '', lease_expires_at = '', updated = ${NOW}`;

/** One more entry among the errors, of which the last fifty are kept. */
const withError = (entry) =>
  `json_insert(CASE WHEN json_valid(errors) AND json_type(errors) = 'array' THEN
     iif(json_array_length(errors) >= 50, json_remove(errors, '$[0]'), errors) ELSE '[]' END, '$[#]', ${entry})`;

/** Of the rows that MOVE finds, the one that was held ends; the other begins. */
const ENDS = `status = 'processing'`;

/**
 * Ends what the worker holds, if it says so, and claims the next due task; none while as many run as may, or the queue is
 * paused. One statement decides and does all of it: two would cost a short task a tenth of its time. The row that ended
 * is returned as ''. Its clock is read once it may write, which it may have waited for longer than somebody waits for it.
 */
const MOVE = `
  UPDATE global_queue SET
    status = iif(${ENDS}, 'done', 'processing'),
    result = iif(${ENDS}, {:result}, result),
    answer = iif(${ENDS}, {:answer}, answer),
    finished_at = iif(${ENDS}, ${NOW}, finished_at),
    progress = iif(${ENDS}, 100, 0),
    progress_message = iif(${ENDS}, progress_message, ''),
    worker_id = {:worker},
    claimed_at = iif(${ENDS}, '', ${NOW}),
    lease_expires_at = iif(${ENDS}, '', ${sql.fromNow('lease')}),
    lease_epoch = lease_epoch + iif(${ENDS}, 0, 1),
    attempts = attempts + iif(${ENDS}, 0, 1),
    updated = ${NOW}
  WHERE (${HELD})
    OR (id = (
        SELECT id FROM global_queue INDEXED BY idx_global_queue_due
        WHERE status = 'pending' AND run_at <= ${NOW} ORDER BY priority DESC, run_at, created LIMIT 1)
      AND {:claim_until} > unixepoch('subsec') * 1000 AND status = 'pending' AND claimed_at = ''
      AND (SELECT COUNT(*) FROM global_queue WHERE status = 'processing' AND NOT (${HELD}))
        < (SELECT max_running FROM queue_settings WHERE paused = FALSE))
  RETURNING iif(status = 'done', '', ${CLAIM_JSON}) AS row`;

const NEXT_DUE = `
  SELECT CAST(MAX(0, (julianday(run_at) - julianday('now')) * 86400000) AS INTEGER) || '' AS row
  FROM global_queue INDEXED BY idx_global_queue_run_at
  WHERE status = 'pending' AND run_at > ${NOW} ORDER BY run_at LIMIT 1`;

const NOTHING = { id: '', epoch: 0, result: '', answer: '' };

/** Ends `done`, and claims the next task if `claim`; `rest` is what follows in the answer. */
function moveOn(db, body, done) {
  const { worker, lease_ms } = body;
  const claim_until = body.claim ? body.until : 0;
  const rows = db.rows(MOVE, {
    ...done,
    worker,
    lease: sql.seconds(lease_ms, sql.MAX_LEASE_MS),
    claim_until,
  });
  const ended = rows.includes('');
  const task = rows.find((row) => row !== '');
  if (task !== undefined) return { ended, rest: `"task":${task},"due_in_ms":null` };
  return { ended, rest: `"task":null,"due_in_ms":${body.claim ? db.firstRow(NEXT_DUE) : null}` };
}

/** An answer did not arrive: what it gave was never started, so it goes back without counting as an attempt. */
function takeBack(db, { worker, held }) {
  db.execute(
    `UPDATE global_queue SET status = 'pending', attempts = attempts - 1, ${RELEASED}
     WHERE status = 'processing' AND worker_id = {:worker}
       AND id || ':' || lease_epoch NOT IN (SELECT value FROM json_each({:held}))`,
    { worker, held: JSON.stringify(held) },
  );
}

/**
 * {worker, lease_ms, until, rescue?, held?} → {task, due_in_ms}. `until`: milliseconds since 1970, after which nothing is
 * claimed; `held`: what the worker knows to have, after a lost answer, as `id:epoch`.
 */
function claim(db, body) {
  // With something to rescue it is part of a transaction: see `alone`.
  if (body.rescue && db.together) rescueAll(db);
  return `{${moveOn(db, { ...body, claim: true }, NOTHING).rest}}`;
}

/**
 * {worker, id, epoch, outcome, claim, lease_ms, until, held?} → {accepted, task, due_in_ms}: ends a task, and claims the next one.
 *
 * outcome: {kind: 'done', result, answer?} · {kind: 'retry', error, signature, answer?, delay_ms} ·
 * {kind: 'dead', error, signature, answer?} ·
 * {kind: 'cancelled'} · {kind: 'returned'}: not begun, or given back by a worker that stops; no attempt is counted.
 */
function settle(db, body) {
  const { worker, id, epoch, outcome } = body;
  const done = outcome.kind === 'done';
  const lease = { worker, id, epoch };
  const released =
    !done && (SETTLE[outcome.kind](db, lease, outcome) || toldBefore(db, lease, "!= 'processing'"));
  const { ended, rest } = moveOn(
    db,
    body,
    done ? { id, epoch, result: outcome.result, answer: outcome.answer || '' } : NOTHING,
  );
  const accepted = released || ended || (done && toldBefore(db, lease, "= 'done'"));
  return `{"accepted":${accepted},${rest}}`;
}

const SETTLE = {
  retry: (db, lease, { error, signature, answer, delay_ms }) =>
    changed(
      db,
      // Cancelled in the meantime: then it must not come back.
      `UPDATE global_queue SET status = iif(cancel_requested, 'cancelled', 'pending'),
         finished_at = iif(cancel_requested, ${NOW}, ''),
         run_at = ${sql.fromNow('delay')}, errors = ${withError('json({:error})')}, error_signature = {:signature},
         answer = {:answer}, ${RELEASED}`,
      { ...lease, error, signature, answer: answer || '', delay: sql.seconds(delay_ms, sql.MAX_DELAY_MS) },
    ),
  dead: (db, lease, { error, signature, answer }) => {
    const failed = changed(
      db,
      `UPDATE global_queue SET status = 'failed', errors = ${withError('json({:error})')},
         error_signature = {:signature}, answer = {:answer}, finished_at = ${NOW}, ${RELEASED}`,
      { ...lease, error, signature, answer: answer || '' },
    );
    if (failed) bury(db);
    return failed;
  },
  cancelled: (db, lease) =>
    changed(db, `UPDATE global_queue SET status = 'cancelled', finished_at = ${NOW}, ${RELEASED}`, lease),
  returned: (db, lease) =>
    changed(db, `UPDATE global_queue SET status = 'pending', attempts = attempts - 1, ${RELEASED}`, lease),
};

function changed(db, update, parameters) {
  return db.execute(`${update} WHERE ${HELD}`, parameters) > 0;
}

/**
 * The same word again, because the answer to the first was lost: nobody has had the task since, and a lease that ran out
 * leaves no worker behind.
 */
function toldBefore(db, lease, status) {
  const text = db.firstRow(
    `SELECT id AS row FROM global_queue WHERE id = {:id} AND worker_id = {:worker} AND lease_epoch = {:epoch}
     AND status ${status}`,
    lease,
  );
  return text !== null;
}

/** From failed to the dead letters. */
function bury(db) {
  db.execute(`UPDATE global_queue SET status = 'dead' WHERE status = 'failed'`);
}

/** {worker, lease_ms, leases: [{id, epoch, progress, message}]} → {lost: [id], cancelled: [id]} */
function heartbeat(db, { worker, lease_ms, leases }) {
  const lost = [];
  const cancelled = [];
  for (const { id, epoch, progress, message } of leases) {
    const row = db.firstRow(
      `UPDATE global_queue SET lease_expires_at = ${sql.fromNow('lease')},
         progress = COALESCE({:progress}, progress), progress_message = COALESCE({:message}, progress_message),
         updated = iif({:progress} IS NULL, updated, ${NOW})
       WHERE ${HELD} RETURNING cancel_requested || '' AS row`,
      { worker, id, epoch, progress, message, lease: sql.seconds(lease_ms, sql.MAX_LEASE_MS) },
    );
    if (row === null) lost.push(id);
    else if (row === '1') cancelled.push(id);
  }
  return JSON.stringify({ lost, cancelled });
}

const EXPIRED = `status = 'processing' AND lease_expires_at <= ${NOW}`;

// The clock has been set back since these were written: they would be waited for, for as long as that.
const LEASED_AHEAD = `status = 'processing' AND lease_expires_at > ${sql.fromNow('lease')}`;
const WAITING_AHEAD = `status = 'pending' AND updated > ${sql.fromNow('ahead')}`;
const LONGEST_LEASE = sql.seconds(sql.MAX_LEASE_MS, sql.MAX_LEASE_MS);

function anyToRescue(db) {
  const found = db.firstRow(
    `SELECT 'x' AS row WHERE EXISTS (SELECT 1 FROM global_queue WHERE ${EXPIRED})
       OR EXISTS (SELECT 1 FROM global_queue WHERE ${LEASED_AHEAD})
       OR EXISTS (SELECT 1 FROM global_queue INDEXED BY idx_global_queue_updated WHERE ${WAITING_AHEAD})`,
    { lease: LONGEST_LEASE, ahead: sql.CLOCK_TOLERANCE },
  );
  return found !== null;
}

/**
 * Leases and waits are cut to what can have been written by now. A worker that is there renews its lease before it ends.
 * What waits to be tried again keeps the rest of its delay, and what was to be run at once is. A time that somebody asked
 * for stays.
 */
function pullBack(db) {
  db.execute(`UPDATE global_queue SET lease_expires_at = ${sql.fromNow('lease')} WHERE ${LEASED_AHEAD}`, {
    lease: LONGEST_LEASE,
  });
  db.execute(
    `UPDATE global_queue SET updated = ${NOW}, created = MIN(created, ${NOW}),
       run_at = CASE
         WHEN run_at <= ${NOW} OR (attempts = 0 AND run_at NOT IN (created, updated)) THEN run_at
         ELSE strftime('%Y-%m-%d %H:%M:%fZ', 'now', printf('+%.3f seconds',
           MAX(0, MIN({:most}, (julianday(run_at) - julianday(updated)) * 86400)))) END
     WHERE ${WAITING_AHEAD}`,
    { most: sql.MAX_DELAY_MS / 1000, ahead: sql.CLOCK_TOLERANCE },
  );
}

/** Leases that ran out: their workers are gone, or cut off. That counts as an attempt. */
function rescueAll(db) {
  pullBack(db);
  const lost = withError(
    `json_object('at', replace(${NOW}, ' ', 'T'), 'attempt', attempts, 'worker', worker_id,
       'started_at', replace(claimed_at, ' ', 'T'), 'code', 'lease_lost',
       'message', 'the lease ran out: the worker ended or was cut off')`,
  );
  const noted = `errors = ${lost}, error_signature = type || ': the lease ran out'`;
  for (const [move, which] of [
    [`status = 'cancelled', finished_at = ${NOW}`, 'cancel_requested = TRUE'],
    [`status = 'failed', finished_at = ${NOW}`, 'attempts >= max_attempts'],
    [`status = 'pending', run_at = ${NOW}`, 'TRUE'],
  ]) {
    db.execute(
      `UPDATE global_queue SET ${move}, ${noted}, worker_id = '', ${RELEASED} WHERE ${EXPIRED} AND ${which}`,
    );
  }
  bury(db);
}

/** {worker, lease_ms, until, row, held?} → {added: {created, task}, task, due_in_ms}: adds one for a worker that could begin it. */
function addAndClaim(db, body) {
  return `{"added":${enqueue(db, body.row)},${moveOn(db, { ...body, claim: true }, NOTHING).rest}}`;
}

/** Whatever can bring a task: one that came with a lost answer goes back before, and together with what follows. */
function claiming(run, alone) {
  return {
    run(db, body) {
      if (body.held) takeBack(db, body);
      return run(db, body);
    },
    alone: (db, body) => !body.held && alone(db, body),
  };
}

/**
 * `alone`: whether its statements each make sense without the others. Then what ends a task needs no transaction with the
 * claim; a claim needs one when there is something to rescue first.
 */
const operations = {
  claim: claiming(claim, (db, { rescue }) => !(rescue && anyToRescue(db))),
  settle: claiming(settle, (_, { outcome }) => outcome.kind !== 'dead'),
  'add-and-claim': claiming(addAndClaim, () => true),
  heartbeat: { run: heartbeat, alone: () => true },
};

module.exports = { operations };
