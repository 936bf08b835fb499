const { itemsOf, projectOf } = require(`${__hooks}/work-items/routes/dtos.js`);
const { checkVersion } = require(`${__hooks}/work-items/items.js`);
const { moveItem } = require(`${__hooks}/work-items/routes/move.js`);
const { restore } = require(`${__hooks}/work-items/removal.js`);
const { deleteOne } = require(`${__hooks}/work-items/routes/crud.js`);
const { changeRecord, createRecord, findReadable, listPage, LIVE, setValues } = require(
  `${__hooks}/work-items/routes/resources.js`,
);

/** @typedef {{ id: string, query: any, body: any }} Input */

/** Fields of requests, and the columns that they are. */
const COLUMNS = /** @type {{ [field: string]: string }} */ ({
  item_type: 'item_type',
  title: 'title',
  description: 'description',
  status: 'status',
  priority: 'priority',
  points: 'points',
  due_date: 'due_date',
  labels: 'labels',
  workflow: 'workflow',
  parent_id: 'parent',
  project_id: 'project',
  assignee_id: 'assignee',
  sprint_id: 'sprint',
});
/** What a replacement empties. */
const REPLACED = [
  'description',
  'priority',
  'points',
  'due_date',
  'labels',
  'workflow',
  'assignee_id',
  'sprint_id',
];
const FILTERS = ['item_type', 'status', 'project_id', 'assignee_id', 'sprint_id', 'parent_id'];
const CONTAINS = 'instr(lower(title), lower({:q})) > 0 OR instr(lower(description), lower({:q})) > 0';
const SORTS = /** @type {{ [field: string]: string }} */ ({ created_at: 'created', updated_at: 'updated' });

/** @param {core.Record} record @param {{ [field: string]: any }} body */
function setItemValues(record, body) {
  setValues(record, COLUMNS, body);
  // Below its project, as a new item without a parent.
  if (body['parent_id'] === null) record.set('parent', record.getString('project'));
}

/** @param {core.RequestEvent} e @param {core.Record} record */
function describe(e, record) {
  const [item] = itemsOf(e.app, [record]);
  e.response.header().set('ETag', `"${record.getInt('version')}"`);
  return item;
}

/** @param {core.RequestEvent} e @param {{ [field: string]: any }} body */
function create(e, body) {
  return createRecord(e, 'pm_work_items', (record) => setItemValues(record, body));
}

/** @param {core.RequestEvent} e @param {Input} input */
function create_work_item(e, { body }) {
  const record = create(e, body);
  e.response.header().set('Location', `/api/v1/work-items/${record.id}`);
  return describe(e, record);
}

/** @param {core.RequestEvent} e @param {Input} input */
function create_project(e, { body }) {
  const record = create(e, { ...body, item_type: 'project' });
  e.response.header().set('Location', `/api/v1/projects/${record.id}`);
  return projectOf(e.app, record);
}

/** @param {core.RequestEvent} e @param {Input} input */
function get_work_item(e, { id }) {
  return describe(e, findReadable(e, e.app, 'pm_work_items', id));
}

/** @param {core.RequestEvent} e @param {Input} input */
function change_work_item(e, { id, body }) {
  const changed = changeRecord(e, 'pm_work_items', id, (record) => {
    checkVersion(e, record);
    setItemValues(record, body);
  });
  return describe(e, changed);
}

/** @param {core.RequestEvent} e @param {Input} input */
function replace_work_item(e, { id, body }) {
  const empty = Object.fromEntries(REPLACED.map((field) => [field, null]));
  return change_work_item(e, { id, query: {}, body: { ...empty, parent_id: null, ...body } });
}

/** @param {core.RequestEvent} e @param {Input} input */
function delete_work_item(e, { id, query }) {
  deleteOne(e, 'pm_work_items', id, query.cascade === true);
}

/** @param {core.RequestEvent} e @param {Input} input */
function move_work_item(e, { id, body }) {
  return describe(e, moveItem(e, id, body));
}

/** @param {core.RequestEvent} e */
function restore_work_item(e) {
  return describe(e, restore(e));
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_work_items(e, { query }) {
  return listPage(e, 'pm_work_items', query, conditionsOf(query), orderOf(query.sort), (records) =>
    itemsOf(e.app, records),
  );
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_projects(e, { query }) {
  return list_work_items(e, { id: '', body: {}, query: { ...query, item_type: 'project' } });
}

/** @param {{ [name: string]: any }} query */
function conditionsOf(query) {
  // The indices are for what is not deleted, so this condition has no parameter.
  const where = [$dbx.exp(LIVE)];
  for (const name of FILTERS)
    if (query[name] !== undefined) where.push($dbx.hashExp({ [COLUMNS[name] ?? name]: query[name] }));
  if (query['label'] !== undefined) {
    const labels = "json_each(CASE WHEN json_valid(labels) THEN labels ELSE '[]' END)";
    const sql = `EXISTS (SELECT 1 FROM ${labels} AS label WHERE label.value = {:label})`;
    where.push($dbx.exp(sql, { label: query['label'] }));
  }
  if (query['q'] !== undefined) where.push($dbx.exp(CONTAINS, { q: query['q'] }));
  return where;
}

/** The id decides between equal values, so that pages do not overlap. @param {string} [sort] */
function orderOf(sort = 'rank') {
  const field = sort.replace('-', '');
  const direction = sort.startsWith('-') ? 'DESC' : 'ASC';
  return [`${SORTS[field] ?? field} ${direction}`, `id ${direction}`];
}

module.exports = {
  list_work_items,
  create_work_item,
  get_work_item,
  replace_work_item,
  change_work_item,
  delete_work_item,
  move_work_item,
  restore_work_item,
  list_projects,
  create_project,
};
