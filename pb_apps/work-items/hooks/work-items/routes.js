const { actorOf, isAdmitted, setActor } = require(`${__hooks}/work-items/access.js`);

/** Fields of requests, and the columns that they are. */
const COLUMNS = /** @type {{ [field: string]: string }} */ ({
  item_type: 'item_type',
  title: 'title',
  description: 'description',
  status: 'status',
  priority: 'priority',
  parent_id: 'parent',
  project_id: 'project',
  assignee_id: 'assignee',
  sprint_id: 'sprint',
});
const FILTERS = ['item_type', 'status', 'project_id', 'assignee_id', 'sprint_id', 'parent_id'];
const PER_PAGE = 50;
const MAX_PER_PAGE = 200;

/** @param {core.RequestEvent} e */
function createItem(e) {
  const { body } = e.requestInfo();
  const collection = e.app.findCachedCollectionByNameOrId('pm_work_items');
  const record = new Record(collection);
  for (const [field, column] of Object.entries(COLUMNS)) {
    const value = body[field];
    if (value !== undefined && value !== null) record.set(column, value);
  }
  setActor(record, actorOf(e));
  e.app.runInTransaction((app) => {
    app.save(record);
    if (!isAdmitted(e, app, record, collection.createRule)) throw new ForbiddenError('Not allowed.');
  });
  e.response.header().set('Location', `/api/v1/work-items/${record.id}`);
  return e.json(201, describe(e.app, [record])[0]);
}

/** @param {core.RequestEvent} e */
function getItem(e) {
  const record = e.app.findRecordById('pm_work_items', e.request.pathValue('id'));
  requireReader(e, record);
  return e.json(200, describe(e.app, [record])[0]);
}

/** @param {core.RequestEvent} e */
function listItems(e) {
  const { query } = e.requestInfo();
  /** @type {{ [name: string]: string }} */
  const wanted = { deleted_at: '' };
  for (const name of FILTERS) {
    const value = query[name];
    if (value) wanted[COLUMNS[name] ?? name] = value;
  }
  const page = Math.max(1, Math.floor(Number(query['page'])) || 1);
  const perPage = Math.min(MAX_PER_PAGE, Math.max(1, Math.floor(Number(query['per_page'])) || PER_PAGE));
  const filter = Object.keys(wanted)
    .map((column) => (column === 'deleted_at' ? "deleted_at = ''" : `${column} = {:${column}}`))
    .join(' && ');
  /** @param {number} limit @param {number} offset */
  const find = (limit, offset) =>
    /** @type {core.Record[]} */ (
      e.app.findRecordsByFilter('pm_work_items', filter, 'rank,created', limit, offset, wanted)
    );
  const records = find(perPage, (page - 1) * perPage);
  const [first] = records.length > 0 ? records : find(1, 0);
  // The rule is about the person, so it is the same for all items that are not deleted.
  if (first) requireReader(e, first);
  const total = first ? e.app.countRecords('pm_work_items', $dbx.hashExp(wanted)) : 0;
  return e.json(200, { items: describe(e.app, records), page, per_page: perPage, total });
}

/** @param {core.RequestEvent} e @param {core.Record} record */
function requireReader(e, record) {
  const canRead =
    record.getString('deleted_at') === '' && isAdmitted(e, e.app, record, record.collection().viewRule);
  if (!canRead) throw new NotFoundError('There is no such item.');
}

/** The items as clients get them. @param {core.App} app @param {core.Record[]} records */
function describe(app, records) {
  app.expandRecords(records, ['assignee', 'sprint'], /** @type {any} */ (null));
  return records.map((record) => {
    const assignee = record.expandedOne('assignee');
    const sprint = record.expandedOne('sprint');
    return {
      id: record.id,
      item_type: record.getString('item_type'),
      title: record.getString('title'),
      description: record.getString('description'),
      status: record.getString('status'),
      priority: record.getInt('priority'),
      parent_id: record.getString('parent') || null,
      project_id: record.getString('project') || record.id,
      assignee: assignee ? { id: assignee.id, name: assignee.getString('name') } : null,
      sprint: sprint
        ? { id: sprint.id, name: sprint.getString('name'), status: sprint.getString('status') }
        : null,
      rank: record.getString('rank'),
      version: record.getInt('version'),
      created_at: record.getDateTime('created').time().unixMilli(),
      updated_at: record.getDateTime('updated').time().unixMilli(),
    };
  });
}

module.exports = { createItem, getItem, listItems };
