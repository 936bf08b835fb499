const { isAdmitted } = require(`${__hooks}/work-items/access.js`);
const { findLive } = require(`${__hooks}/work-items/items.js`);

const PER_PAGE = 50;
const LIVE = "deleted_at = ''";
const NAMES = /** @type {{ [collection: string]: string }} */ ({
  pm_work_items: 'item',
  pm_sprints: 'sprint',
});

/**
 * A record that the person can read.
 * @param {core.RequestEvent} e @param {core.App} app @param {string} collection @param {string} id
 */
function findReadable(e, app, collection, id) {
  const record = findLive(app, collection, id);
  if (!record || !isAdmitted(e, app, record, record.collection().viewRule))
    throw new NotFoundError(`There is no such ${NAMES[collection]}.`);
  return record;
}

/** @param {core.RequestEvent} e @param {core.App} app @param {string} id */
function findProject(e, app, id) {
  const project = findReadable(e, app, 'pm_work_items', id);
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

module.exports = { findReadable, findProject, requireAdmission, findAll, listPage, LIVE, PER_PAGE };
