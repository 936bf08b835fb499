const { actorOf, isAdmitted, now, refusalOf, requireNone, setActor } = require(
  `${__hooks}/work-items/access.js`,
);
const { findLive, workflowOf } = require(`${__hooks}/work-items/items.js`);
const rules = require(`${__hooks}/work-items/rules.js`);

/** Makes a sprint active. @param {core.RequestEvent} e */
function startSprint(e) {
  return e.json(
    200,
    changeSprint(e, 'active', () => {}),
  );
}

/**
 * Completes a sprint, and moves its unfinished items into another sprint, or out of sprints.
 * @param {core.RequestEvent} e
 */
function completeSprint(e) {
  const target = e.requestInfo().body['move_to'] ?? '';
  if (typeof target !== 'string')
    throw refusalOf('move_to', { code: 'invalid', message: 'It is the id of a sprint, or null.' });
  const sprint = changeSprint(e, 'completed', (app, current) => {
    if (target !== '') {
      const next = findLive(app, 'pm_sprints', target);
      const isOther =
        next !== null && next.id !== current.id && next.getString('project') === current.getString('project');
      const message = 'The unfinished items need another sprint of the project that is not completed.';
      if (!isOther || next.getString('status') === 'completed')
        throw refusalOf('move_to', { code: 'sprint_not_allowed', message });
    }
    const workflow = workflowOf(app.findRecordById('pm_work_items', current.getString('project')));
    const filter = "sprint = {:id} && deleted_at = ''";
    for (const item of app.findRecordsByFilter('pm_work_items', filter, '', 0, 0, { id: current.id })) {
      if (!item || rules.isFinished(item.getString('status'), workflow)) continue;
      item.set('sprint', target);
      setActor(item, actorOf(e));
      app.save(item);
    }
  });
  return e.json(200, sprint);
}

/**
 * Changes the status of a sprint, and what follows, in one transaction.
 * @param {core.RequestEvent} e
 * @param {string} status
 * @param {(app: core.App, sprint: core.Record) => void} then
 */
function changeSprint(e, status, then) {
  /** @type {core.Record[]} */
  const changed = [];
  e.app.runInTransaction((app) => {
    const sprint = findLive(app, 'pm_sprints', e.request.pathValue('id'));
    if (!sprint || !isAdmitted(e, app, sprint, sprint.collection().updateRule))
      throw new NotFoundError('There is no such sprint.');
    if (sprint.getString('status') === status)
      throw refusalOf('status', { code: 'move_not_allowed', message: `The sprint is ${status}.` }, 409);
    if (status === 'active') requireNone('status', findOtherActive(app, sprint), 409);
    sprint.set('status', status);
    if (status === 'active' && sprint.getString('start_date') === '') sprint.set('start_date', now());
    setActor(sprint, actorOf(e));
    app.save(sprint);
    then(app, sprint);
    changed.push(sprint);
  });
  return changed[0];
}

/** @param {core.App} app @param {core.Record} sprint */
function findOtherActive(app, sprint) {
  const filter = "project = {:project} && status = 'active' && deleted_at = '' && id != {:id}";
  const bound = { project: sprint.getString('project'), id: sprint.id };
  const [other] = app.findRecordsByFilter('pm_sprints', filter, '', 1, 0, bound);
  if (!other) return undefined;
  return { code: 'sprint_active', message: `The sprint "${other.getString('name')}" is active.` };
}

module.exports = { startSprint, completeSprint };
