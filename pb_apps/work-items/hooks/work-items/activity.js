const { readActor } = require(`${__hooks}/work-items/access.js`);

const ENTITIES = /** @type {{ [collection: string]: string }} */ ({
  pm_work_items: 'work_item',
  pm_sprints: 'sprint',
  pm_comments: 'comment',
  pm_time_entries: 'time_entry',
  pm_dependencies: 'dependency',
  pm_swim_lanes: 'swim_lane',
  pm_llm_context: 'llm_context',
  pm_members: 'member',
});
/** Fields that follow from others, and secrets. */
const LEFT_OUT = [
  'id',
  'created',
  'updated',
  'updated_by',
  'version',
  'deleted_by',
  'password',
  'tokenKey',
  'seconds',
  'tokens',
];
const MAX_CHARACTERS = 1000;

/**
 * The fields that a save changes, with both values. Long texts are cut.
 * @param {core.Record} record
 */
function changesOf(record) {
  /** @type {{ [field: string]: [unknown, unknown] }} */
  const changes = {};
  const before = record.original();
  for (const field of record.collection().fields) {
    const name = field.getName();
    if (LEFT_OUT.includes(name)) continue;
    const [from, to] = [before, record].map((one) => JSON.stringify(one.get(name)) ?? 'null');
    if (from !== to) changes[name] = [shorten(from), shorten(to)];
  }
  return changes;
}

/** @param {string | undefined} json */
function shorten(json) {
  const value = JSON.parse(json ?? 'null');
  if (typeof value === 'string' && value.length > MAX_CHARACTERS) return `${value.slice(0, MAX_CHARACTERS)}…`;
  return value;
}

/**
 * Adds a row in the transaction of the change.
 * @param {core.App} app
 * @param {core.Record} record
 * @param {string} action
 * @param {ReturnType<typeof changesOf>} [changes]
 */
function log(app, record, action, changes = {}) {
  const { kind, id, request } = readActor(record);
  const row = new Record(app.findCachedCollectionByNameOrId('pm_activity_log'));
  row.set('entity_type', ENTITIES[record.collection().name]);
  row.set('entity_id', record.id);
  row.set('project', projectOf(app, record));
  row.set('actor', id);
  row.set('actor_kind', kind);
  row.set('action', action);
  row.set('changes', changes);
  row.set('request_id', request);
  app.save(row);
}

/** @param {core.App} app @param {core.Record} record */
function projectOf(app, record) {
  const { name } = record.collection();
  if (name === 'pm_members') return '';
  if (name === 'pm_work_items') return record.getString('project') || record.id;
  const item = record.getString(name === 'pm_dependencies' ? 'blocker' : 'work_item');
  const project = record.getString('project');
  if (project !== '' || item === '') return project;
  return projectOf(app, app.findRecordById('pm_work_items', item));
}

module.exports = { changesOf, log };
