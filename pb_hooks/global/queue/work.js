// Operations of workers. `worker` and the epoch of the lease identify the holder of a task: once another worker has the task,
// requests of the old holder change nothing.

const sql = require('./sql.js');
const admin = require('./admin.js');

const { enqueue } = admin;

/**
 * @typedef {import('./sql.js').Database} Database
 * @typedef {import('../../../shared/hooks/queue-operations.ts').QueueOperations} Operations
 * @typedef {import('../../../shared/hooks/queue-operations.ts').Outcome} Outcome
 *
 * @typedef {{ worker: string, id: string, epoch: number }} Holder
 * @typedef {{ id: string, epoch: number, result: string, answer: string }} Done
 *
 * Milliseconds since 1970, after which no task is claimed. The route adds it.
 * @typedef {{ until: number }} Until
 */

const { NOW, CLAIM_JSON } = sql;

/** This worker holds the lease with this epoch, and the lease has not expired. */
const HELD =
  `id = {:id} AND worker_id = {:worker} AND lease_epoch = {:epoch} AND status = 'processing' ` +
  `AND lease_expires_at > ${NOW}`;

const RELEASED = `claimed_at = '', lease_expires_at = '', updated = ${NOW}`;

/**
 * Adds an entry to the errors. The last fifty are kept.
 *
 * @param {string} entry SQL
 */
const withError = (entry) =>
  `json_insert(CASE WHEN json_valid(errors) AND json_type(errors) = 'array' THEN
     iif(json_array_length(errors) >= 50, json_remove(errors, '$[0]'), errors) ELSE '[]' END, '$[#]', ${entry})`;

/** MOVE finds at most two rows: the running task ends, the pending task begins. */
const ENDS = `status = 'processing'`;

/**
 * Ends the task of the worker, if there is one, and claims the next due task, unless the queue is paused or `max_running` tasks
 * run. One statement does both: two would make a short task a tenth slower. The ended row is returned as ''. SQLite reads the
 * clock after it got the write lock; the request may have timed out by then, so `claim_until` is compared here.
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

/**
 * Ends `done`, and claims the next task if `claim` is true.
 *
 * @param {Database} db
 * @param {{ worker: string, lease_ms: number, claim: boolean } & Until} body
 * @param {Done} done
 * @returns `claimed`: the properties of a `ClaimAnswer` as JSON text
 */
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
  if (task !== undefined) return { ended, claimed: `"task":${task},"due_in_ms":null` };
  return { ended, claimed: `"task":null,"due_in_ms":${body.claim ? db.firstRow(NEXT_DUE) : null}` };
}

/**
 * After a lost response: its task was never started, so it becomes pending again without counting as an attempt.
 *
 * @param {Database} db
 * @param {{ worker: string, held: string[] }} body
 */
function releaseUnknown(db, { worker, held }) {
  db.execute(
    `UPDATE global_queue SET status = 'pending', attempts = attempts - 1, ${RELEASED}
     WHERE status = 'processing' AND worker_id = {:worker}
       AND id || ':' || lease_epoch NOT IN (SELECT value FROM json_each({:held}))`,
    { worker, held: JSON.stringify(held) },
  );
}

/**
 * Claims the next due task.
 *
 * @param {Database} db
 * @param {Operations['claim']['request'] & Until} body
 */
function claim(db, body) {
  // With expired leases this runs in a transaction: see `isIndependent`.
  if (body.rescue && db.inTransaction) rescueAll(db);
  return `{${moveOn(db, { ...body, claim: true }, NOTHING).claimed}}`;
}

/**
 * Ends a task, and claims the next one if `claim` is true.
 *
 * @param {Database} db
 * @param {Operations['settle']['request'] & Until} body
 */
function settle(db, body) {
  const { worker, id, epoch, outcome } = body;
  const holder = { worker, id, epoch };
  if (outcome.kind === 'done') {
    const done = { id, epoch, result: outcome.result, answer: outcome.answer || '' };
    const { ended, claimed } = moveOn(db, body, done);
    return `{"accepted":${ended || wasReported(db, holder, "= 'done'")},${claimed}}`;
  }
  const accepted = release(db, holder, outcome) || wasReported(db, holder, "!= 'processing'");
  const { claimed } = moveOn(db, body, NOTHING);
  return `{"accepted":${accepted},${claimed}}`;
}

/**
 * Ends an attempt without a result. Returns false if the worker does not hold the task any more.
 *
 * @param {Database} db
 * @param {Holder} holder
 * @param {Exclude<Outcome, { kind: 'done' }>} outcome
 */
function release(db, holder, outcome) {
  /**
   * @param {string} update
   * @param {import('./sql.js').Parameters} [parameters]
   */
  const change = (update, parameters) =>
    db.execute(`${update} WHERE ${HELD}`, { ...holder, ...parameters }) > 0;

  switch (outcome.kind) {
    case 'retry':
      // A task that was cancelled in the meantime is not retried.
      return change(
        `UPDATE global_queue SET status = iif(cancel_requested, 'cancelled', 'pending'),
         finished_at = iif(cancel_requested, ${NOW}, ''),
         run_at = ${sql.fromNow('delay')}, errors = ${withError('json({:error})')}, error_signature = {:signature},
         answer = {:answer}, ${RELEASED}`,
        { ...failureOf(outcome), delay: sql.seconds(outcome.delay_ms, sql.MAX_DELAY_MS) },
      );
    case 'dead': {
      const failed = change(
        `UPDATE global_queue SET status = 'failed', errors = ${withError('json({:error})')},
         error_signature = {:signature}, answer = {:answer}, finished_at = ${NOW}, ${RELEASED}`,
        failureOf(outcome),
      );
      if (failed) bury(db);
      return failed;
    }
    case 'cancelled':
      return change(`UPDATE global_queue SET status = 'cancelled', finished_at = ${NOW}, ${RELEASED}`);
    case 'returned':
      return change(`UPDATE global_queue SET status = 'pending', attempts = attempts - 1, ${RELEASED}`);
  }
}

/** @param {{ error: string, signature: string, answer?: string }} outcome */
function failureOf({ error, signature, answer }) {
  return { error, signature, answer: answer || '' };
}

/**
 * Whether a worker repeats a request whose response was lost. No other worker has had the task since: an expired lease clears
 * the worker of a task.
 *
 * @param {Database} db
 * @param {Holder} holder
 * @param {string} status SQL that compares the status
 */
function wasReported(db, holder, status) {
  const text = db.firstRow(
    `SELECT id AS row FROM global_queue WHERE id = {:id} AND worker_id = {:worker} AND lease_epoch = {:epoch}
     AND status ${status}`,
    holder,
  );
  return text !== null;
}

/**
 * Moves failed tasks to the dead letters.
 *
 * @param {Database} db
 */
function bury(db) {
  db.execute(`UPDATE global_queue SET status = 'dead' WHERE status = 'failed'`);
}

/**
 * Renews leases and stores progress.
 *
 * @param {Database} db
 * @param {Operations['heartbeat']['request']} body
 */
function heartbeat(db, { worker, lease_ms, leases }) {
  /** @type {Operations['heartbeat']['response']} */
  const response = { lost: [], cancelled: [] };
  for (const { id, epoch, progress, message } of leases) {
    const row = db.firstRow(
      `UPDATE global_queue SET lease_expires_at = ${sql.fromNow('lease')},
         progress = COALESCE({:progress}, progress), progress_message = COALESCE({:message}, progress_message),
         updated = iif({:progress} IS NULL, updated, ${NOW})
       WHERE ${HELD} RETURNING cancel_requested || '' AS row`,
      { worker, id, epoch, progress, message, lease: sql.seconds(lease_ms, sql.MAX_LEASE_MS) },
    );
    if (row === null) response.lost.push(id);
    else if (row === '1') response.cancelled.push(id);
  }
  return JSON.stringify(response);
}

const EXPIRED = `status = 'processing' AND lease_expires_at <= ${NOW}`;

// Times in the future were written before the clock was set back. The tasks would wait until then.
const LEASED_AHEAD = `status = 'processing' AND lease_expires_at > ${sql.fromNow('lease')}`;
const WAITING_AHEAD = `status = 'pending' AND updated > ${sql.fromNow('ahead')}`;
const LONGEST_LEASE = sql.seconds(sql.MAX_LEASE_MS, sql.MAX_LEASE_MS);

/**
 * Whether `rescueAll` would change anything.
 *
 * @param {Database} db
 */
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
 * After the clock was set back: shortens leases and waiting times to the longest that can be written now. A live worker renews
 * its lease in time. A retry keeps the rest of its delay, a task without a time becomes due, and a requested time stays.
 *
 * @param {Database} db
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

/**
 * Ends the attempts whose lease expired: the worker ended or was cut off. They count as attempts.
 *
 * @param {Database} db
 */
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

/**
 * Adds a task for a worker that can start it now, and claims the next task.
 *
 * @param {Database} db
 * @param {Operations['add-and-claim']['request'] & Until} body
 */
function addAndClaim(db, body) {
  return `{"added":${enqueue(db, body.row)},${moveOn(db, { ...body, claim: true }, NOTHING).claimed}}`;
}

/**
 * An operation that can claim a task. After a lost response it first releases the unknown tasks, in the same transaction.
 *
 * @param {(db: Database, body: any) => string} run
 * @param {(db: Database, body: any) => boolean} isIndependent
 * @returns {import('./execution.js').Operation}
 */
function claiming(run, isIndependent) {
  return {
    run(db, body) {
      if (body.held) releaseUnknown(db, body);
      return run(db, body);
    },
    isIndependent: (db, body) => !body.held && isIndependent(db, body),
  };
}

/** A claim needs a transaction only with expired leases. The end of a task and the next claim are independent. */
const operations = {
  claim: claiming(claim, (db, { rescue }) => !(rescue && anyToRescue(db))),
  settle: claiming(settle, (_, { outcome }) => outcome.kind !== 'dead'),
  'add-and-claim': claiming(addAndClaim, () => true),
  heartbeat: { run: heartbeat, isIndependent: () => true },
};

module.exports = { operations };
