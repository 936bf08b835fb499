const { memberOf, actorOf, now, refusalOf } = require(`${__hooks}/work-items/access.js`);
const { activitiesOf, commentsOf, dependenciesOf, sprintOf, timeEntriesOf } = require(
  `${__hooks}/work-items/routes/dtos.js`,
);
const { changeOf, create, deleteOf, getOf, list, replaceOf } = require(
  `${__hooks}/work-items/routes/crud.js`,
);
const { findReadable, listPage, LIVE } = require(`${__hooks}/work-items/routes/resources.js`);

/** @typedef {{ id: string, query: any, body: any }} Input */
/** @typedef {import('./crud.js').Resource} Resource */

/** @type {Resource} */
const SPRINTS = {
  collection: 'pm_sprints',
  path: '/api/v1/sprints',
  columns: {
    project_id: 'project',
    name: 'name',
    goal: 'goal',
    start_date: 'start_date',
    end_date: 'end_date',
  },
  emptied: { goal: null, start_date: null, end_date: null },
  describe: (_, records) => records.map(sprintOf),
};
/** @type {Resource} */
const COMMENTS = {
  collection: 'pm_comments',
  path: '/api/v1/comments',
  columns: { work_item_id: 'work_item', body: 'body' },
  describe: commentsOf,
};
/** @type {Resource} */
const TIMES = {
  collection: 'pm_time_entries',
  path: '/api/v1/time-entries',
  columns: {
    work_item_id: 'work_item',
    member_id: 'member',
    started_at: 'started_at',
    ended_at: 'ended_at',
    note: 'note',
  },
  emptied: { ended_at: null, note: null },
  describe: timeEntriesOf,
};
/** @type {Resource} */
const DEPENDENCIES = {
  collection: 'pm_dependencies',
  path: '/api/v1/dependencies',
  columns: { blocker_id: 'blocker', blocked_id: 'blocked', kind: 'kind' },
  describe: dependenciesOf,
};

const OLDEST_FIRST = ['created ASC', 'rowid ASC'];
const LATEST_FIRST = ['created DESC', 'rowid DESC'];
const LATEST_START_FIRST = ['started_at DESC', 'id DESC'];

/** @param {core.RequestEvent} e @param {Input} input */
function list_sprints(e, { query }) {
  const where = [$dbx.exp(LIVE)];
  if (query.project_id !== undefined) where.push($dbx.hashExp({ project: query.project_id }));
  if (query.status !== undefined) where.push($dbx.hashExp({ status: query.status }));
  return list(e, SPRINTS, query, where, ['start_date ASC', ...OLDEST_FIRST]);
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_comments(e, { id, query }) {
  findReadable(e, e.app, 'pm_work_items', id);
  return list(e, COMMENTS, query, [$dbx.exp(LIVE), $dbx.hashExp({ work_item: id })], OLDEST_FIRST);
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_times_of_work_item(e, { id, query }) {
  findReadable(e, e.app, 'pm_work_items', id);
  return list(e, TIMES, query, [...visibleTimes(e), $dbx.hashExp({ work_item: id })], LATEST_START_FIRST);
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_time_entries(e, { query }) {
  const where = visibleTimes(e);
  if (query.member_id !== undefined) where.push($dbx.hashExp({ member: query.member_id }));
  if (query.running !== undefined) where.push($dbx.exp(`ended_at ${query.running ? '=' : '<>'} ''`));
  return list(e, TIMES, query, where, LATEST_START_FIRST);
}

/** Members see their own times, as the rule of the collection says. @param {core.RequestEvent} e */
function visibleTimes(e) {
  const { kind, id } = actorOf(e);
  const isManager = kind !== 'member' || ['owner', 'admin'].includes(e.auth?.getString('role') ?? '');
  return isManager ? [$dbx.exp(LIVE)] : [$dbx.exp(LIVE), $dbx.hashExp({ member: id })];
}

/** @param {core.RequestEvent} e @param {Input} input */
function stop_timer(e, { body }) {
  const member = memberOf(actorOf(e));
  const filter = "member = {:member} && ended_at = '' && deleted_at = ''";
  const [running] = e.app.findRecordsByFilter('pm_time_entries', filter, '', 1, 0, { member });
  if (!running)
    throw refusalOf('ended_at', { code: 'timer_not_running', message: 'No timer of yours is running.' }, 409);
  return changeOf(TIMES)(e, { id: running.id, query: {}, body: { ...body, ended_at: now() } });
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_dependencies(e, { id, query }) {
  findReadable(e, e.app, 'pm_work_items', id);
  const ofItem = $dbx.exp('(blocker = {:id} OR blocked = {:id})', { id });
  const live = $dbx.exp(
    "NOT EXISTS (SELECT 1 FROM pm_work_items AS item WHERE item.id IN (blocker, blocked) AND item.deleted_at <> '')",
  );
  return list(e, DEPENDENCIES, query, [ofItem, live], OLDEST_FIRST);
}

/** @param {core.RequestEvent} e @param {Input} input */
function create_dependency(e, { id, body }) {
  const { blocker_id, blocked_id, kind = 'blocks' } = body;
  findReadable(e, e.app, 'pm_work_items', id);
  if ((blocker_id === undefined) === (blocked_id === undefined))
    throw refusalOf('blocked_id', { code: 'one_item', message: 'Send blocker_id or blocked_id.' });
  return create(e, DEPENDENCIES, { blocker_id: blocker_id ?? id, blocked_id: blocked_id ?? id, kind });
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_activity_of_work_item(e, { id, query }) {
  findReadable(e, e.app, 'pm_work_items', id);
  const where = [$dbx.hashExp({ entity_type: 'work_item', entity_id: id })];
  return listPage(e, 'pm_activity_log', query, where, LATEST_FIRST, (records) =>
    activitiesOf(e.app, records),
  );
}

/** @type {{ [operation: string]: (e: core.RequestEvent, input: Input) => unknown }} */
module.exports = {
  list_sprints,
  create_sprint: (e, { body }) => create(e, SPRINTS, body),
  get_sprint: getOf(SPRINTS),
  replace_sprint: replaceOf(SPRINTS),
  change_sprint: changeOf(SPRINTS),
  delete_sprint: deleteOf(SPRINTS),
  list_comments,
  create_comment: (e, { id, body }) => create(e, COMMENTS, { ...body, work_item_id: id }),
  get_comment: getOf(COMMENTS),
  replace_comment: replaceOf(COMMENTS),
  delete_comment: deleteOf(COMMENTS),
  list_times_of_work_item,
  create_time_entry: (e, { id, body }) => create(e, TIMES, { ...body, work_item_id: id }),
  list_time_entries,
  start_timer: (e, { body }) => create(e, TIMES, body),
  stop_timer,
  get_time_entry: getOf(TIMES),
  replace_time_entry: replaceOf(TIMES),
  change_time_entry: changeOf(TIMES),
  delete_time_entry: deleteOf(TIMES),
  list_dependencies,
  create_dependency,
  get_dependency: getOf(DEPENDENCIES),
  delete_dependency: deleteOf(DEPENDENCIES),
  list_activity_of_work_item,
};
