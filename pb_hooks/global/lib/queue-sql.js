// What the statements of the queue share. Times are PocketBase's text form, in UTC, so that comparing texts compares times.

const { rowsOf } = require(`${__hooks}/lib/rows.js`);

const NOW = "strftime('%Y-%m-%d %H:%M:%fZ', 'now')";

/** The moment that parameter `name`, a text like '+30.5 seconds', says from now. */
function fromNow(name) {
  return `strftime('%Y-%m-%d %H:%M:%fZ', 'now', {:${name}})`;
}

/** No lease that is written ends later than this. */
const MAX_LEASE_MS = 60_000;
/** No retry that is written waits longer than this; handlers are held to less (daemon/queue/runner/messages.ts). */
const MAX_DELAY_MS = 31 * 86_400_000;

/** A time later than this from now was written by a clock that has been set back since. */
const CLOCK_TOLERANCE = '+5 seconds';

/** For `fromNow`; what SQLite could not count with would make the row unusable. */
function seconds(ms, mostMs) {
  const bounded = Math.min(Math.max(0, Number(ms) || 0), mostMs);
  return `+${(bounded / 1000).toFixed(3)} seconds`;
}

const time = (column) => `NULLIF(replace(${column}, ' ', 'T'), '')`;
const json = (column) => `json(CASE WHEN json_valid(${column}) THEN ${column} ELSE 'null' END)`;
const bool = (condition) => `json(iif(${condition}, 'true', 'false'))`;
const columns = (pairs) =>
  Object.keys(pairs)
    .map((name) => `'${name}', ${pairs[name]}`)
    .join(', ');

const LAST_MESSAGE = "json_extract(CASE WHEN json_valid(errors) THEN errors END, '$[#-1].message')";

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
  error_signature: "NULLIF(error_signature, '')",
  last_error: `substr(${LAST_MESSAGE}, 1, min(1000, instr(${LAST_MESSAGE} || char(10), char(10)) - 1))`,
  finished_at: time('finished_at'),
  created: time('created'),
  updated: time('updated'),
};

/** A task as everybody may see it, as one JSON text. */
const SUMMARY_JSON = `json_object(${columns(SUMMARY)})`;

/** With what it was given and what came of it; secrets only say that they are there. */
const TASK_JSON = `json_object(${columns({
  ...SUMMARY,
  payload: json('payload'),
  secret: bool("secrets != ''"),
  lease_expires_at: time('lease_expires_at'),
  result: json('result'),
  answer: "NULLIF(answer, '')",
  errors: json('errors'),
})})`;

/** A claimed task as its worker gets it. */
const CLAIM_JSON = `json_object(${columns({
  id: 'id',
  type: 'type',
  payload: json('payload'),
  sealed: "NULLIF(secrets, '')",
  attempt: 'attempts',
  max_attempts: 'max_attempts',
  timeout_s: 'timeout_s',
  epoch: 'lease_epoch',
  claimed_at: time('claimed_at'),
  created: time('created'),
  user: "(SELECT json_object('id', u.id, 'email', u.email, 'name', u.name) FROM users u WHERE u.id = global_queue.user)",
})})`;

const found = new DynamicModel({ row: '' });

/**
 * What runs statements; `query` makes one of its text. The only column of those that answer is called `row`. `together`:
 * they take effect all together or not at all.
 */
function runner(query, together) {
  const rows = (text, parameters) => rowsOf(query(text).bind(parameters || {}), found, ({ row }) => row);
  return {
    together,
    rows,
    firstRow(text, parameters) {
      const [first] = rows(text, parameters);
      return first === undefined ? null : first;
    },
    /** How many rows it changed. */
    execute: (text, parameters) =>
      query(text)
        .bind(parameters || {})
        .execute()
        .rowsAffected(),
  };
}

/** All of them together or none. */
const transaction = (tx) => runner((text) => tx.db().newQuery(text), true);

/** Beside what writes: none waits for the other. */
const reading = runner((text) => $app.concurrentDB().newQuery(text), false);

const prepared = {};

/**
 * Each by itself, and prepared once: to compile a statement of the queue takes longer than to run it. Only for texts
 * that do not vary. On the one connection that writes, like transactions, so that all of them take turns.
 */
const oneByOne = runner((text) => {
  prepared[text] ??= $app.nonconcurrentDB().newQuery(text).prepare();
  return prepared[text];
}, false);

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
  transaction,
  reading,
  oneByOne,
};
