const { actorOf, now, refusalOf, requireNone, setActor } = require(`${__hooks}/work-items/access.js`);
const { sprintOf } = require(`${__hooks}/work-items/routes/dtos.js`);
const { findLive, workflowOf } = require(`${__hooks}/work-items/items.js`);
const { changeRecord } = require(`${__hooks}/work-items/routes/resources.js`);
const rules = require(`${__hooks}/work-items/rules.js`);

/** @typedef {{ id: string, body: any }} Input */

/** Makes a sprint active. @param {core.RequestEvent} e @param {Input} input */
function start_sprint(e, { id }) {
  return changeStatus(e, id, 'active', () => {});
}

/**
 * Completes a sprint, and moves its unfinished items into another sprint, or out of sprints.
 * @param {core.RequestEvent} e @param {Input} input
 */
function complete_sprint(e, { id, body }) {
  const target = body.move_to ?? '';
  return changeStatus(e, id, 'completed', (app, current) => {
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
}

/**
 * Changes the status of a sprint, and its items before, in one transaction.
 * @param {core.RequestEvent} e @param {string} id @param {string} status
 * @param {(app: core.App, sprint: core.Record) => void} prepare
 */
function changeStatus(e, id, status, prepare) {
  const changed = changeRecord(e, 'pm_sprints', id, (sprint, app) => {
    if (sprint.getString('status') === status)
      throw refusalOf('status', { code: 'move_not_allowed', message: `The sprint is ${status}.` }, 409);
    if (status === 'active') requireNone('status', findOtherActive(app, sprint), 409);
    prepare(app, sprint);
    sprint.set('status', status);
    if (status === 'active' && sprint.getString('start_date') === '') sprint.set('start_date', now());
  });
  return sprintOf(changed);
}

/** @param {core.App} app @param {core.Record} sprint */
function findOtherActive(app, sprint) {
  const filter = "project = {:project} && status = 'active' && deleted_at = '' && id != {:id}";
  const bound = { project: sprint.getString('project'), id: sprint.id };
  const [other] = app.findRecordsByFilter('pm_sprints', filter, '', 1, 0, bound);
  if (!other) return undefined;
  return { code: 'sprint_active', message: `The sprint "${other.getString('name')}" is active.` };
}

module.exports = { start_sprint, complete_sprint };
