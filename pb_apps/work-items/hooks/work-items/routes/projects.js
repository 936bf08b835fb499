const { activitiesOf, itemsOf, laneOf, projectOf } = require(`${__hooks}/work-items/routes/dtos.js`);
const { workflowOf } = require(`${__hooks}/work-items/items.js`);
const { findAll, findProject, listPage, LIVE, PER_PAGE } = require(
  `${__hooks}/work-items/routes/resources.js`,
);
const rules = require(`${__hooks}/work-items/rules.js`);

/** @typedef {{ id: string, query: any }} Input */

/** More lanes than a project has: their positions are 0 to 1000. */
const ALL_LANES = 1001;
const BY_RANK = ['rank ASC', 'id ASC'];
const BY_POSITION = ['position ASC'];

/** What is not deleted in a project. The indices are for it, so the condition has no parameter. @param {string} project */
const inProject = (project) => [$dbx.exp(LIVE), $dbx.hashExp({ project })];

/** @param {core.RequestEvent} e @param {Input} input */
function get_project(e, { id }) {
  const project = findProject(e, e.app, id);
  e.response.header().set('ETag', `"${project.getInt('version')}"`);
  return projectOf(e.app, project);
}

/**
 * @param {core.RequestEvent} e @param {Input} input
 * @returns {import('../../../../../shared/work/api/answers.ts').BoardDto}
 */
function get_board(e, { id, query }) {
  const project = findProject(e, e.app, id);
  const lanes = findAll(e, 'pm_swim_lanes', inProject(id), BY_POSITION, ALL_LANES).map(laneOf);
  const where = inProject(id);
  if (query.sprint_id !== undefined) where.push($dbx.hashExp({ sprint: query.sprint_id }));
  /** @param {dbx.Expression} condition */
  const itemsWhere = (condition) => {
    const { items, total } = listPage(
      e,
      'pm_work_items',
      { per_page: query.per_lane ?? PER_PAGE },
      [...where, condition],
      BY_RANK,
      (records) => itemsOf(e.app, records),
    );
    return { items, total };
  };
  return {
    project_id: project.id,
    lanes: lanes.map((lane) => ({ ...lane, ...itemsWhere($dbx.in('status', ...lane.statuses)) })),
    without_lane: itemsWhere($dbx.notIn('status', ...lanes.flatMap(({ statuses }) => statuses))),
  };
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_backlog(e, { id, query }) {
  const workflow = workflowOf(findProject(e, e.app, id));
  const finished = workflow.states.map(({ name }) => name).filter((name) => rules.isFinished(name, workflow));
  const where = [
    ...inProject(id),
    $dbx.hashExp({ sprint: '' }),
    $dbx.in('item_type', 'story', 'task'),
    $dbx.notIn('status', ...finished),
  ];
  return listPage(e, 'pm_work_items', query, where, BY_RANK, (records) => itemsOf(e.app, records));
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_activity_of_project(e, { id, query }) {
  findProject(e, e.app, id);
  const where = [$dbx.hashExp({ project: id })];
  return listPage(e, 'pm_activity_log', query, where, ['created DESC', 'rowid DESC'], (records) =>
    activitiesOf(e.app, records),
  );
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_swim_lanes(e, { id, query }) {
  findProject(e, e.app, id);
  return listPage(e, 'pm_swim_lanes', query, inProject(id), BY_POSITION, (records) => records.map(laneOf));
}

module.exports = { get_project, get_board, list_backlog, list_activity_of_project, list_swim_lanes };
