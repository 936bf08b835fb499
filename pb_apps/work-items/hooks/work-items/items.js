const { memberOf, readActor, refusalOf, requireNone, setActor } = require(`${__hooks}/work-items/access.js`);
const { changesOf, log } = require(`${__hooks}/work-items/activity.js`);
const rules = require(`${__hooks}/work-items/rules.js`);

const LANES = [
  { name: 'To do', statuses: ['backlog', 'todo'] },
  { name: 'In progress', statuses: ['in_progress', 'blocked'] },
  { name: 'Review', statuses: ['review'] },
  { name: 'Done', statuses: ['done', 'cancelled'] },
];

/** @param {core.Record} record */
const projectIdOf = (record) => record.getString('project') || record.id;

/** @param {core.Record} record @returns {import('../../../../shared/work/hook-rules.ts').PlacedItem} */
function placeOf(record) {
  const itemType = /** @type {import('../../../../shared/work/hook-rules.ts').ItemType} */ (
    record.getString('item_type')
  );
  return { id: record.id, itemType, projectId: projectIdOf(record) };
}

/** @param {core.Record} project */
function workflowOf(project) {
  return rules.parseWorkflow(jsonOf(project, 'workflow')) ?? rules.DEFAULT_WORKFLOW;
}

/** @param {core.Record} record @param {string} field */
function jsonOf(record, field) {
  const text = record.getString(field);
  return text === '' ? null : JSON.parse(text);
}

/**
 * The record of the collection that is not deleted, or null.
 * @param {core.App} app @param {string} collection @param {string} id
 */
function findLive(app, collection, id) {
  if (id === '') return null;
  const [record] = app.findRecordsByFilter(collection, "id = {:id} && deleted_at = ''", '', 1, 0, { id });
  return record ?? null;
}

/** @param {core.App} app @param {core.Record} record */
function findProject(app, record) {
  if (record.getString('item_type') === 'project') return record;
  const project = findLive(app, 'pm_work_items', record.getString('project'));
  if (project?.getString('item_type') === 'project') return project;
  throw refusalOf('project', { code: 'project_required', message: 'There is no such project.' });
}

/** Values that the client left out. Runs before the validation of PocketBase. @param {core.RecordEvent} e */
function prepareItem(e) {
  const { app, record } = e;
  record.set('version', 1);
  if (record.getString('created_by') === '') record.set('created_by', memberOf(readActor(record)));
  const isProject = record.getString('item_type') === 'project';
  if (!isProject && record.getString('project') === '') {
    const parent = findLive(app, 'pm_work_items', record.getString('parent'));
    if (parent) record.set('project', projectIdOf(parent));
  }
  const project = isProject ? record : findLive(app, 'pm_work_items', record.getString('project'));
  if (!isProject && project && record.getString('parent') === '') record.set('parent', project.id);
  if (record.getString('status') === '')
    record.set('status', rules.startOf(project ? workflowOf(project) : rules.DEFAULT_WORKFLOW));
  if (record.getString('rank') === '')
    record.set('rank', rules.rankBetween(lastRank(app, record.getString('project')), null));
  e.next();
}

/** @param {core.App} app @param {string} project */
function lastRank(app, project) {
  const row = new DynamicModel({ rank: '' });
  app
    .db()
    .newQuery(
      "SELECT coalesce(max(rank), '') AS rank FROM pm_work_items WHERE project = {:project} AND deleted_at = ''",
    )
    .bind({ project })
    .one(row);
  return row.rank === '' ? null : row.rank;
}

/** In the transaction that creates the item. @param {core.RecordEvent} e */
function createItem(e) {
  const { app, record } = e;
  checkTitle(record);
  const project = findProject(app, record);
  const workflow = checkWorkflow(app, record) ?? workflowOf(project);
  requireNone(
    'status',
    rules.validateStatusTransition(record.getString('status'), record.getString('status'), workflow),
  );
  if (project.id === record.id && record.getString('project') !== '')
    throw refusalOf('project', { code: 'parent_not_allowed', message: 'A project is in no other project.' });
  checkParent(app, record);
  checkSprint(app, record);
  checkWipLimit(app, record, null);
  e.next();
  log(app, record, 'created');
  if (record.getString('item_type') === 'project') addLanes(app, record, workflow);
}

/** In the transaction that changes the item. @param {core.RecordEvent} e */
function changeItem(e) {
  const { app, record } = e;
  const changes = changesOf(record);
  for (const field of ['item_type', 'project'])
    if (changes[field])
      throw refusalOf(field, { code: 'fixed', message: `The ${field} of an item does not change.` });
  const action = actionOf(changes);
  if (action === 'updated') {
    const workflow = checkWorkflow(app, record) ?? workflowOf(findProject(app, record));
    const [from, to] = [record.original().getString('status'), record.getString('status')];
    requireNone('status', rules.validateStatusTransition(from, to, workflow));
    if (changes['title']) checkTitle(record);
    if (changes['parent']) checkParent(app, record);
    if (changes['sprint']) checkSprint(app, record);
    if (from !== to) {
      if (workflow.states.some(({ name, category }) => name === to && category === 'done'))
        checkBlockers(app, record);
      checkWipLimit(app, record, from);
    }
  }
  record.set('updated_by', memberOf(readActor(record)));
  try {
    e.next();
  } catch (error) {
    if (String(error).includes('version_conflict')) throw versionConflict();
    throw error;
  }
  // A trigger has incremented it.
  record.set('version', record.getInt('version') + 1);
  if (Object.keys(changes).length > 0) log(app, record, action, changes);
}

/** @param {{ [field: string]: [unknown, unknown] }} changes */
function actionOf({ deleted_at }) {
  if (!deleted_at) return 'updated';
  return deleted_at[1] === '' ? 'restored' : 'deleted';
}

function versionConflict() {
  const message = 'The item has been changed meanwhile. Read it again, then repeat the change.';
  return refusalOf('version', { code: 'version_conflict', message }, 409);
}

/** Compares the version that the client read. @param {core.RequestEvent} e @param {core.Record} record */
function checkVersion(e, record) {
  const current = record.original().getInt('version');
  const { version } = e.requestInfo().body;
  const header = rules.versionOfIfMatch(e.requestInfo().headers['if_match'] ?? '');
  for (const expected of [header, version])
    requireNone('version', rules.validateVersion(current, expected), 409);
  record.set('version', current);
}

/** @param {core.Record} record */
function checkTitle(record) {
  requireNone('title', rules.validateText(record.getString('title')));
}

/** @param {core.App} app @param {core.Record} record */
function checkParent(app, record) {
  const id = record.getString('parent');
  const parent = findLive(app, 'pm_work_items', id);
  if (id !== '' && !parent)
    throw refusalOf('parent', { code: 'parent_not_allowed', message: 'There is no such item.' });
  requireNone('parent', rules.validateParent(placeOf(record), parent && placeOf(parent)));
}

/** @param {core.App} app @param {core.Record} record */
function checkSprint(app, record) {
  const id = record.getString('sprint');
  if (id === '') return;
  const sprint = findLive(app, 'pm_sprints', id);
  if (!sprint) throw refusalOf('sprint', { code: 'sprint_not_allowed', message: 'There is no such sprint.' });
  const status = /** @type {'planned' | 'active' | 'completed'} */ (sprint.getString('status'));
  requireNone(
    'sprint',
    rules.canAssignToSprint(placeOf(record), { projectId: sprint.getString('project'), status }),
  );
}

/** @param {core.App} app @param {core.Record} record */
function checkBlockers(app, record) {
  const filter = "kind = 'blocks' && blocked = {:id} && blocker.deleted_at = ''";
  for (const dependency of app.findRecordsByFilter('pm_dependencies', filter, '', 0, 0, { id: record.id })) {
    if (!dependency) continue;
    const blocker = app.findRecordById('pm_work_items', dependency.getString('blocker'));
    if (!rules.isFinished(blocker.getString('status'), workflowOf(findProject(app, blocker)))) {
      const message = `The item is blocked by "${blocker.getString('title')}".`;
      throw refusalOf('status', { code: 'blocked', message });
    }
  }
}

/** @param {core.App} app @param {core.Record} record @param {string | null} from */
function checkWipLimit(app, record, from) {
  const to = record.getString('status');
  const project = record.getString('project');
  if (project === '') return;
  const limited = app.findRecordsByFilter(
    'pm_swim_lanes',
    "project = {:project} && deleted_at = '' && wip_limit > 0",
    '',
    0,
    0,
    { project },
  );
  for (const lane of limited) {
    const statuses = lane ? jsonOf(lane, 'statuses') : null;
    if (!lane || !Array.isArray(statuses) || !statuses.includes(to) || statuses.includes(from)) continue;
    const row = new DynamicModel({ count: 0 });
    app
      .db()
      .newQuery(
        "SELECT count(*) AS count FROM pm_work_items WHERE project = {:project} AND deleted_at = '' AND id <> {:id} AND status IN (SELECT value FROM json_each({:statuses}))",
      )
      .bind({ project, id: record.id, statuses: JSON.stringify(statuses) })
      .one(row);
    if (row.count >= lane.getInt('wip_limit')) {
      const message = `The lane "${lane.getString('name')}" has ${row.count} items, which is its limit.`;
      throw refusalOf('status', { code: 'wip_limit', message }, 409);
    }
  }
}

/**
 * Checks a workflow that this save sets.
 * @param {core.App} app @param {core.Record} record
 * @returns the workflow, or null when the record has none
 */
function checkWorkflow(app, record) {
  const value = jsonOf(record, 'workflow');
  if (value === null) return null;
  /** @param {string} message */
  const refuse = (message) => refusalOf('workflow', { code: 'invalid_workflow', message });
  if (record.getString('item_type') !== 'project') throw refuse('Only projects have a workflow.');
  const workflow = rules.parseWorkflow(value);
  if (!workflow) throw refuse('A workflow has states with name and category, and moves.');
  requireNone('workflow', rules.validateWorkflow(workflow));
  const names = JSON.stringify(workflow.states.map(({ name }) => name));
  const lost = app.findRecordsByFilter(
    'pm_work_items',
    "project = {:id} && deleted_at = '' && {:names} !~ status",
    '',
    1,
    0,
    { id: record.id, names },
  );
  const [item] = lost;
  if (item)
    throw refuse(`Items have the status ${item.getString('status')}, which the workflow does not have.`);
  return workflow;
}

/** @param {core.App} app @param {core.Record} project @param {import('../../../../shared/work/hook-rules.ts').Workflow} workflow */
function addLanes(app, project, workflow) {
  const names = workflow.states.map(({ name }) => name);
  for (const [position, { name, statuses }] of LANES.entries()) {
    const lane = new Record(app.findCachedCollectionByNameOrId('pm_swim_lanes'));
    lane.set('project', project.id);
    lane.set('name', name);
    lane.set('position', position);
    lane.set(
      'statuses',
      statuses.filter((status) => names.includes(status)),
    );
    setActor(lane, readActor(project));
    app.save(lane);
  }
}

module.exports = { prepareItem, createItem, changeItem, checkVersion, findLive, jsonOf, workflowOf };
