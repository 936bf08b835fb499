const { jsonOf, workflowOf } = require(`${__hooks}/work-items/items.js`);

/** Records as clients get them. @param {core.App} app @param {core.Record[]} records */
function itemsOf(app, records) {
  app.expandRecords(records, ['assignee', 'sprint'], /** @type {any} */ (null));
  return records.map(itemOf);
}

/** @param {core.Record} record @returns {import('../../../../../shared/work/api/answers.ts').WorkItemDto} */
function itemOf(record) {
  const sprint = record.expandedOne('sprint');
  return {
    id: record.id,
    item_type: /** @type {any} */ (record.getString('item_type')),
    title: record.getString('title'),
    description: record.getString('description'),
    status: record.getString('status'),
    priority: record.getInt('priority'),
    parent_id: textOrNull(record, 'parent'),
    project_id: record.getString('project') || record.id,
    assignee: userOf(record.expandedOne('assignee')),
    sprint: sprint && {
      id: sprint.id,
      name: sprint.getString('name'),
      status: /** @type {any} */ (sprint.getString('status')),
    },
    points: record.getInt('points'),
    due_date: timeOrNull(record, 'due_date'),
    labels: textsOf(record, 'labels'),
    rank: record.getString('rank'),
    version: record.getInt('version'),
    created_at: timeOf(record, 'created'),
    updated_at: timeOf(record, 'updated'),
  };
}

/** @param {core.App} app @param {core.Record} record @returns {import('../../../../../shared/work/api/answers.ts').ProjectDto} */
function projectOf(app, record) {
  const { states, moves } = workflowOf(record);
  const workflow = { states: [...states], moves: { ...moves } };
  return { .../** @type {any} */ (itemsOf(app, [record])[0]), workflow };
}

/** @param {core.Record} [member] @returns {import('../../../../../shared/work/api/answers.ts').UserDto | null} */
function userOf(member) {
  return member ? { id: member.id, name: member.getString('name') } : null;
}

/** @param {core.Record} record @returns {import('../../../../../shared/work/api/answers.ts').SprintDto} */
function sprintOf(record) {
  return {
    id: record.id,
    project_id: record.getString('project'),
    name: record.getString('name'),
    goal: record.getString('goal'),
    status: /** @type {any} */ (record.getString('status')),
    start_date: timeOrNull(record, 'start_date'),
    end_date: timeOrNull(record, 'end_date'),
    completed_at: timeOrNull(record, 'completed_at'),
    created_at: timeOf(record, 'created'),
    updated_at: timeOf(record, 'updated'),
  };
}

/** @param {core.Record} record @returns {import('../../../../../shared/work/api/answers.ts').SwimLaneDto} */
function laneOf(record) {
  return {
    id: record.id,
    project_id: record.getString('project'),
    name: record.getString('name'),
    position: record.getInt('position'),
    statuses: textsOf(record, 'statuses'),
    wip_limit: record.getInt('wip_limit'),
  };
}

/**
 * @param {core.App} app @param {core.Record[]} records
 * @returns {import('../../../../../shared/work/api/answers.ts').ActivityDto[]}
 */
function activitiesOf(app, records) {
  const actors = [...new Set(records.map((record) => record.getString('actor')))].filter((id) => id !== '');
  const members = actors.length === 0 ? [] : app.findRecordsByIds('pm_members', actors);
  return records.map((record) => ({
    id: record.id,
    entity_type: record.getString('entity_type'),
    entity_id: record.getString('entity_id'),
    project_id: textOrNull(record, 'project'),
    actor: userOf(members.find((member) => member?.id === record.getString('actor'))),
    actor_kind: /** @type {any} */ (record.getString('actor_kind')),
    action: record.getString('action'),
    changes: jsonOf(record, 'changes') ?? {},
    created_at: timeOf(record, 'created'),
  }));
}

/** @param {core.App} app @param {core.Record[]} records @returns {import('../../../../../shared/work/api/answers.ts').CommentDto[]} */
function commentsOf(app, records) {
  app.expandRecords(records, ['author'], /** @type {any} */ (null));
  return records.map((record) => ({
    id: record.id,
    work_item_id: record.getString('work_item'),
    author: userOf(record.expandedOne('author')),
    body: record.getString('body'),
    edited_at: timeOrNull(record, 'edited_at'),
    created_at: timeOf(record, 'created'),
    updated_at: timeOf(record, 'updated'),
  }));
}

/** @param {core.App} app @param {core.Record[]} records @returns {import('../../../../../shared/work/api/answers.ts').TimeEntryDto[]} */
function timeEntriesOf(app, records) {
  app.expandRecords(records, ['member'], /** @type {any} */ (null));
  return records.map((record) => ({
    id: record.id,
    work_item_id: record.getString('work_item'),
    member: userOf(record.expandedOne('member')),
    started_at: timeOf(record, 'started_at'),
    ended_at: timeOrNull(record, 'ended_at'),
    seconds: record.getInt('seconds'),
    note: record.getString('note'),
    created_at: timeOf(record, 'created'),
    updated_at: timeOf(record, 'updated'),
  }));
}

/** @param {core.App} app @param {core.Record[]} records @returns {import('../../../../../shared/work/api/answers.ts').LlmContextDto[]} */
function contextsOf(app, records) {
  app.expandRecords(records, ['created_by'], /** @type {any} */ (null));
  return records.map((record) => ({
    id: record.id,
    project_id: record.getString('project'),
    work_item_id: textOrNull(record, 'work_item'),
    kind: /** @type {any} */ (record.getString('kind')),
    title: record.getString('title'),
    content: record.getString('content'),
    tokens: record.getInt('tokens'),
    pinned: record.getBool('pinned'),
    source: record.getString('source'),
    superseded_by_id: textOrNull(record, 'superseded_by'),
    created_by: userOf(record.expandedOne('created_by')),
    created_at: timeOf(record, 'created'),
    updated_at: timeOf(record, 'updated'),
  }));
}

/** @param {core.App} app @param {core.Record[]} records @returns {import('../../../../../shared/work/api/answers.ts').DependencyDto[]} */
function dependenciesOf(app, records) {
  app.expandRecords(records, ['blocker', 'blocked'], /** @type {any} */ (null));
  /** @param {core.Record} record @param {string} field */
  const endOf = (record, field) => {
    const item = record.expandedOne(field);
    return { id: item.id, title: item.getString('title'), status: item.getString('status') };
  };
  return records.map((record) => ({
    id: record.id,
    blocker: endOf(record, 'blocker'),
    blocked: endOf(record, 'blocked'),
    kind: /** @type {any} */ (record.getString('kind')),
    created_at: timeOf(record, 'created'),
  }));
}

/** @param {core.Record} record @param {string} field */
function textOrNull(record, field) {
  return record.getString(field) || null;
}

/** In milliseconds. @param {core.Record} record @param {string} field */
function timeOf(record, field) {
  return record.getDateTime(field).time().unixMilli();
}

/** @param {core.Record} record @param {string} field */
function timeOrNull(record, field) {
  return record.getString(field) === '' ? null : timeOf(record, field);
}

/** The texts of a list, in which a client of the collection can write other values too. @param {core.Record} record @param {string} field */
function textsOf(record, field) {
  const value = jsonOf(record, field);
  /** @type {string[]} */
  const texts = Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  return texts;
}

module.exports = {
  itemsOf,
  projectOf,
  sprintOf,
  laneOf,
  activitiesOf,
  commentsOf,
  timeEntriesOf,
  dependenciesOf,
  contextsOf,
  textsOf,
};
