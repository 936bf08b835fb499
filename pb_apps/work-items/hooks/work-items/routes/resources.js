const { actorOf, inTransaction, isAdmitted, setActor } = require(`${__hooks}/work-items/access.js`);
const { findLive } = require(`${__hooks}/work-items/items.js`);

const PER_PAGE = 50;
const DATES = ['due_date', 'start_date', 'end_date', 'started_at', 'ended_at'];
const LIVE = "deleted_at = ''";
const NAMES = /** @type {{ [collection: string]: string }} */ ({
  pm_work_items: 'item',
  pm_sprints: 'sprint',
  pm_comments: 'comment',
  pm_time_entries: 'time entry',
  pm_dependencies: 'dependency',
  pm_llm_context: 'text',
});

/**
 * A record that the person can read.
 * @param {core.RequestEvent} e @param {core.App} app @param {string} collection @param {string} id
 * @param {string} [name] for the message
 */
function findReadable(e, app, collection, id, name = NAMES[collection]) {
  const isMarked = collection !== 'pm_dependencies';
  const record = isMarked ? findLive(app, collection, id) : findById(app, collection, id);
  if (!record || !isAdmitted(e, app, record, record.collection().viewRule))
    throw new NotFoundError(`There is no such ${name}.`);
  return record;
}

/** @param {core.App} app @param {string} collection @param {string} id */
function findById(app, collection, id) {
  const [record] = app.findRecordsByFilter(collection, 'id = {:id}', '', 1, 0, { id });
  return record;
}

/** @param {core.RequestEvent} e @param {core.App} app @param {string} id */
function findProject(e, app, id) {
  const project = findReadable(e, app, 'pm_work_items', id, 'project');
  if (project.getString('item_type') !== 'project') throw new NotFoundError('There is no such project.');
  return project;
}

/**
 * Refuses a person whom a rule of the collection does not admit.
 * @param {core.RequestEvent} e @param {core.App} app @param {core.Record} record
 * @param {'createRule' | 'updateRule' | 'deleteRule'} rule
 */
function requireAdmission(e, app, record, rule) {
  if (!isAdmitted(e, app, record, record.collection()[rule] ?? null))
    throw new ForbiddenError('Not allowed.');
}

/**
 * @param {core.Record} record
 * @param {{ [field: string]: string }} columns by the field of requests
 * @param {{ [field: string]: any }} body
 */
function setValues(record, columns, body) {
  for (const [field, column] of Object.entries(columns)) {
    const value = body[field];
    if (value === undefined) continue;
    const isTime = typeof value === 'number' && DATES.includes(column);
    record.set(column, isTime ? new Date(value).toISOString() : value);
  }
}

/**
 * Creates a record as the person of the request.
 * @param {core.RequestEvent} e @param {string} collection
 * @param {(record: core.Record, app: core.App) => void} fill
 */
function createRecord(e, collection, fill) {
  const actor = actorOf(e);
  return inTransaction(e, (app) => {
    const record = new Record(app.findCachedCollectionByNameOrId(collection));
    fill(record, app);
    setActor(record, actor);
    app.save(record);
    requireAdmission(e, app, record, 'createRule');
    return record;
  });
}

/**
 * Changes a record as the person of the request.
 * @param {core.RequestEvent} e @param {string} collection @param {string} id
 * @param {(record: core.Record, app: core.App) => void} fill
 */
function changeRecord(e, collection, id, fill) {
  const actor = actorOf(e);
  return inTransaction(e, (app) => {
    const record = findReadable(e, app, collection, id);
    requireAdmission(e, app, record, 'updateRule');
    fill(record, app);
    setActor(record, actor);
    app.save(record);
    return record;
  });
}

/**
 * Records that conditions admit. The rule of the collection is about the person, so one of them is asked for all.
 * @param {core.RequestEvent} e @param {string} collection @param {dbx.Expression[]} where
 * @param {string[]} order @param {number} limit @param {number} offset
 */
function findAll(e, collection, where, order, limit, offset = 0) {
  const records = arrayOf(new Record());
  const query = e.app.recordQuery(collection);
  for (const condition of where) query.andWhere(condition);
  query
    .orderBy(...order)
    .limit(limit)
    .offset(offset)
    .all(records);
  const [first] = records;
  if (first && !isAdmitted(e, e.app, first, first.collection().listRule ?? null))
    throw new ForbiddenError('Not allowed.');
  return records;
}

/**
 * @template T
 * @param {core.RequestEvent} e @param {string} collection
 * @param {{ page?: number, per_page?: number }} query
 * @param {dbx.Expression[]} where @param {string[]} order
 * @param {(records: core.Record[]) => T[]} describe
 */
function listPage(e, collection, query, where, order, describe) {
  const { page = 1, per_page = PER_PAGE } = query;
  const records = findAll(e, collection, where, order, per_page, (page - 1) * per_page);
  const isLast = records.length < per_page && (records.length > 0 || page === 1);
  const total = isLast ? (page - 1) * per_page + records.length : e.app.countRecords(collection, ...where);
  return { items: describe(records), page, per_page, total };
}

module.exports = {
  findReadable,
  findProject,
  requireAdmission,
  setValues,
  createRecord,
  changeRecord,
  findAll,
  listPage,
  LIVE,
  PER_PAGE,
};
