const { memberOf, now, readActor, refusalOf, requireNone } = require(`${__hooks}/work-items/access.js`);
const { changesOf, log } = require(`${__hooks}/work-items/activity.js`);
const { findLive, jsonOf, workflowOf } = require(`${__hooks}/work-items/items.js`);
const rules = require(`${__hooks}/work-items/rules.js`);

/** The field that names the person who creates a record. */
const AUTHORS = /** @type {{ [collection: string]: string }} */ ({
  pm_comments: 'author',
  pm_time_entries: 'member',
  pm_dependencies: 'created_by',
  pm_llm_context: 'created_by',
});
/** Fields that need more than white space. */
const TEXTS = /** @type {{ [collection: string]: string[] }} */ ({
  pm_sprints: ['name'],
  pm_swim_lanes: ['name'],
  pm_comments: ['body'],
  pm_llm_context: ['title', 'content'],
});
const SPRINT_MOVES = /** @type {{ [from: string]: string[] }} */ ({
  planned: ['active'],
  active: ['completed', 'planned'],
  completed: [],
});

/** Values that follow from others. Runs before the validation of PocketBase. @param {core.RecordEvent} e */
function prepare(e) {
  const { record } = e;
  const { name } = record.collection();
  const author = AUTHORS[name];
  const before = record.original();
  if (record.isNew() && author && record.getString(author) === '')
    record.set(author, memberOf(readActor(record)));
  if (name === 'pm_llm_context') record.set('tokens', rules.tokensOf(record.getString('content')));
  if (name === 'pm_comments' && !record.isNew() && record.getString('body') !== before.getString('body'))
    record.set('edited_at', now());
  if (name === 'pm_time_entries') {
    if (record.getString('started_at') === '') record.set('started_at', now());
    const [from, to] = ['started_at', 'ended_at'].map((field) => record.getString(field));
    record.set('seconds', to === '' ? 0 : Math.max(0, Math.round((timeOf(to) - timeOf(from)) / 1000)));
  }
  if (name === 'pm_sprints') {
    if (record.getString('status') === '') record.set('status', 'planned');
    const isCompleted = record.getString('status') === 'completed';
    if (isCompleted && record.getString('completed_at') === '') record.set('completed_at', now());
  }
  e.next();
}

/** @param {string | undefined} date as PocketBase stores it */
function timeOf(date) {
  return new Date((date ?? '').replace(' ', 'T')).getTime();
}

/** In the transaction of a create or an update. @param {core.RecordEvent} e */
function save(e) {
  const { app, record } = e;
  const isNew = record.isNew();
  const changes = changesOf(record);
  const { name } = record.collection();
  const isDeletion = changes['deleted_at'] !== undefined && !isNew;
  if (!isDeletion) {
    for (const field of TEXTS[name] ?? [])
      if (changes[field]) requireNone(field, rules.validateText(record.getString(field)));
    if (isNew && record.getString('project') !== '') checkProject(app, record);
    if (name === 'pm_sprints') checkSprint(record, isNew);
    if (name === 'pm_dependencies') checkDependency(app, record);
    if (name === 'pm_swim_lanes' && changes['statuses']) checkStatuses(app, record);
    if (name === 'pm_time_entries') checkTimes(app, record);
    if (name === 'pm_llm_context') checkContext(app, record, changes);
  }
  e.next();
  const action = isNew
    ? 'created'
    : isDeletion
      ? record.getString('deleted_at') === ''
        ? 'restored'
        : 'deleted'
      : 'updated';
  if (isNew || Object.keys(changes).length > 0) log(app, record, action, isNew ? {} : changes);
}

/** @param {core.App} app @param {core.Record} record */
function checkProject(app, record) {
  const project = findLive(app, 'pm_work_items', record.getString('project'));
  if (project?.getString('item_type') !== 'project')
    throw refusalOf('project', { code: 'project_required', message: 'There is no such project.' });
}

/** @param {core.Record} record @param {boolean} isNew */
function checkSprint(record, isNew) {
  const [from, to] = [record.original().getString('status'), record.getString('status')];
  const isAllowed = isNew ? to !== 'completed' : from === to || (SPRINT_MOVES[from] ?? []).includes(to);
  if (!isAllowed) {
    const message = isNew
      ? 'A new sprint is planned or active.'
      : `A sprint cannot move from ${from} to ${to}.`;
    throw refusalOf('status', { code: 'move_not_allowed', message });
  }
  const [start, end] = ['start_date', 'end_date'].map((field) => record.getString(field));
  if (start && end && end < start)
    throw refusalOf('end_date', { code: 'ends_before_start', message: 'The sprint ends before it starts.' });
}

/** @param {core.App} app @param {core.Record} record */
function checkDependency(app, record) {
  /** @param {string} id */
  const blockedBy = (id) =>
    app
      .findRecordsByFilter('pm_dependencies', "kind = 'blocks' && blocker = {:id}", '', 0, 0, { id })
      .map((dependency) => dependency?.getString('blocked') ?? '');
  const isBlocking = record.getString('kind') === 'blocks';
  const [blocker, blocked] = ['blocker', 'blocked'].map((field) => record.getString(field));
  const refusal = rules.validateDependency(blocker ?? '', blocked ?? '', isBlocking ? blockedBy : () => []);
  if (refusal) refusal.message = withTitles(app, refusal.message);
  requireNone('blocked', refusal);
}

/** Ids become titles, so that people can read the path. @param {core.App} app @param {string} message */
function withTitles(app, message) {
  return message.replace(/[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}/g, (id) => {
    const item = findLive(app, 'pm_work_items', id);
    return item ? `"${item.getString('title')}"` : id;
  });
}

/** A status is in one lane at most. @param {core.App} app @param {core.Record} record */
function checkStatuses(app, record) {
  /** @param {string} message */
  const refuse = (message) => refusalOf('statuses', { code: 'invalid_statuses', message });
  const statuses = jsonOf(record, 'statuses') ?? [];
  if (!Array.isArray(statuses)) throw refuse('Statuses are a list.');
  const project = app.findRecordById('pm_work_items', record.getString('project'));
  const known = workflowOf(project).states.map(({ name }) => name);
  const lanes = app.findRecordsByFilter(
    'pm_swim_lanes',
    "project = {:project} && deleted_at = '' && id != {:id}",
    '',
    0,
    0,
    { project: project.id, id: record.id },
  );
  for (const [index, status] of statuses.entries()) {
    if (!known.includes(status)) throw refuse(`The statuses of the project are: ${known.join(', ')}.`);
    if (statuses.indexOf(status) !== index) throw refuse(`The status ${status} is named twice.`);
    const other = lanes.find((lane) => lane && (jsonOf(lane, 'statuses') ?? []).includes(status));
    if (other) throw refuse(`The status ${status} is in the lane "${other.getString('name')}".`);
  }
}

/** @param {core.App} app @param {core.Record} record */
function checkTimes(app, record) {
  const [start, end] = ['started_at', 'ended_at'].map((field) => record.getString(field));
  if (start && end && end < start)
    throw refusalOf('ended_at', { code: 'ends_before_start', message: 'The entry ends before it starts.' });
  if (end) return;
  const filter = "member = {:member} && ended_at = '' && deleted_at = '' && id != {:id}";
  const bound = { member: record.getString('member'), id: record.id };
  const [running] = app.findRecordsByFilter('pm_time_entries', filter, '', 1, 0, bound);
  if (!running) return;
  const item = findLive(app, 'pm_work_items', running.getString('work_item'));
  const where = item ? ` on "${item.getString('title')}"` : '';
  const message = `A timer of the member is running${where}. Stop it first.`;
  throw refusalOf('member', { code: 'timer_running', message }, 409);
}

/** What a text refers to is of its project. @param {core.App} app @param {core.Record} record @param {ReturnType<typeof changesOf>} changes */
function checkContext(app, record, changes) {
  for (const [field, collection] of /** @type {const} */ ([
    ['work_item', 'pm_work_items'],
    ['superseded_by', 'pm_llm_context'],
  ])) {
    const id = record.getString(field);
    if (id === '' || !changes[field]) continue;
    const other = findLive(app, collection, id);
    const isOfProject = other?.getString('project') === record.getString('project');
    if (!isOfProject || id === record.id)
      throw refusalOf(field, {
        code: 'not_of_project',
        message: 'There is no such other record in the project.',
      });
  }
}

/** In the transaction that removes a dependency. @param {core.RecordEvent} e */
function remove(e) {
  const { app, record } = e;
  // The items may be removed with it.
  if (findLive(app, 'pm_work_items', record.getString('blocker'))) log(app, record, 'deleted');
  e.next();
}

module.exports = { prepare, save, remove };
