// Parts of the statements of the queue. Times are in PocketBase's text form, in UTC, so comparing texts compares times.

/**
 * Runs statements. The only column of a query is called `row`.
 *
 * @typedef {object} Database
 * @property {boolean} inTransaction whether all statements take effect together or not at all
 * @property {(text: string, parameters?: Parameters) => string[]} rows
 * @property {(text: string, parameters?: Parameters) => string | null} firstRow
 * @property {(text: string, parameters?: Parameters) => number} execute returns the number of changed rows
 */

/** @typedef {{ [name: string]: string | number | boolean | null | undefined }} Parameters */

const NOW = "strftime('%Y-%m-%d %H:%M:%fZ', 'now')";

/**
 * A time relative to now. The parameter is a text like '+30.5 seconds'.
 *
 * @param {string} name of the parameter
 */
function fromNow(name) {
  return `strftime('%Y-%m-%d %H:%M:%fZ', 'now', {:${name}})`;
}

/** The longest lease that is written. */
const MAX_LEASE_MS = 60_000;
/** The longest delay of a retry that is written. The limit for handlers is lower (daemon/queue/runner/messages.ts). */
const MAX_DELAY_MS = 31 * 86_400_000;

/** A time further in the future was written before the clock was set back. */
const CLOCK_TOLERANCE = '+5 seconds';

/**
 * A parameter for `fromNow`, from 0 to `maxMs`. A value that SQLite cannot calculate with would make the row unusable.
 *
 * @param {number} ms
 * @param {number} maxMs
 */
function seconds(ms, maxMs) {
  const bounded = Math.min(Math.max(0, Number(ms) || 0), maxMs);
  return `+${(bounded / 1000).toFixed(3)} seconds`;
}

// SQL that converts a column to a value of the JSON text.

/** @param {string} column */
const time = (column) => `NULLIF(replace(${column}, ' ', 'T'), '')`;
/** @param {string} column */
const json = (column) => `json(CASE WHEN json_valid(${column}) THEN ${column} ELSE 'null' END)`;
/** @param {string} condition */
const bool = (condition) => `json(iif(${condition}, 'true', 'false'))`;
/** @param {{ [name: string]: string }} pairs */
const columns = (pairs) =>
  Object.keys(pairs)
    .map((name) => `'${name}', ${pairs[name]}`)
    .join(', ');

const LAST_MESSAGE = "json_extract(CASE WHEN json_valid(errors) THEN errors END, '$[#-1].message')";

/** @type {Record<keyof import('../../../shared/api/queue.ts').TaskSummary, string>} */
const SUMMARY = {
  id: 'id',
  type: 'type',
  user_id: "NULLIF(user, '')",
  status: 'status',
  priority: 'priority',
  run_at: time('run_at'),
  attempts: 'attempts',
  max_attempts: 'max_attempts',
  timeout_s: 'timeout_s',
  unique_key: "NULLIF(unique_key, '')",
  worker_id: "NULLIF(worker_id, '')",
  claimed_at: time('claimed_at'),
  progress: 'progress',
  progress_message: 'progress_message',
  cancel_requested: bool('cancel_requested'),
  by_owner: bool('by_owner'),
  error_signature: "NULLIF(error_signature, '')",
  last_error: `substr(${LAST_MESSAGE}, 1, min(1000, instr(${LAST_MESSAGE} || char(10), char(10)) - 1))`,
  finished_at: time('finished_at'),
  created: time('created'),
  updated: time('updated'),
};

/** A `TaskSummary` as JSON text. */
const SUMMARY_JSON = `json_object(${columns(SUMMARY)})`;

/** A `Task` as JSON text: with payload, result and errors, but without the secrets. */
const TASK_JSON = `json_object(${columns({
  ...SUMMARY,
  payload: json('payload'),
  secret: bool("secrets != ''"),
  lease_expires_at: time('lease_expires_at'),
  result: json('result'),
  answer: "NULLIF(answer, '')",
  errors: json('errors'),
})})`;

/** A `ClaimedTask` as JSON text. */
const CLAIM_JSON = `json_object(${columns({
  id: 'id',
  type: 'type',
  payload: json('payload'),
  sealed: "NULLIF(secrets, '')",
  attempt: 'attempts',
  max_attempts: 'max_attempts',
  timeout_s: 'timeout_s',
  for_all: bool('for_all'),
  epoch: 'lease_epoch',
  claimed_at: time('claimed_at'),
  created: time('created'),
  user: "(SELECT json_object('id', u.id, 'email', u.email, 'name', u.name) FROM users u WHERE u.id = global_queue.user)",
})})`;

module.exports = {
  NOW,
  MAX_LEASE_MS,
  MAX_DELAY_MS,
  CLOCK_TOLERANCE,
  time,
  json,
  fromNow,
  seconds,
  SUMMARY_JSON,
  TASK_JSON,
  CLAIM_JSON,
};
