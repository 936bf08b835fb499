const { refusalOf } = require(`${__hooks}/work-items/access.js`);
const { OPERATIONS, toolsOf } = require(`${__hooks}/work-items/operations.js`);
const { changeOf, create, deleteOf, getOf, list, replaceOf } = require(
  `${__hooks}/work-items/routes/crud.js`,
);
const { activitiesOf, commentsOf, contextsOf, itemsOf } = require(`${__hooks}/work-items/routes/dtos.js`);
const { findProject, findReadable, listPage, LIVE } = require(`${__hooks}/work-items/routes/resources.js`);
const rules = require(`${__hooks}/work-items/rules.js`);

/** @typedef {{ id: string, query: any, body: any }} Input */
/** @typedef {import('../../../../../shared/work/hook-rules.ts').Section} Section */

/** @type {import('./crud.js').Resource} */
const CONTEXTS = {
  collection: 'pm_llm_context',
  path: '/api/v1/llm/contexts',
  columns: {
    project_id: 'project',
    work_item_id: 'work_item',
    kind: 'kind',
    title: 'title',
    content: 'content',
    pinned: 'pinned',
    source: 'source',
    superseded_by_id: 'superseded_by',
  },
  emptied: { work_item_id: null, pinned: null, source: null, superseded_by_id: null },
  describe: contextsOf,
};

const MAX_TOKENS = 8000;
/** Of each kind. */
const MAX_PARTS = 50;
const MAX_LATEST = 20;
const BY_RANK = ['rank ASC', 'id ASC'];
const PINNED_FIRST = ['pinned DESC', 'created DESC', 'rowid DESC'];
const LATEST_FIRST = ['created DESC', 'rowid DESC'];

/**
 * @param {core.RequestEvent} e @param {Input} input
 * @returns {import('../../../../../shared/work/api/answers.ts').AssembledContextDto}
 */
function assemble_llm_context(e, { query }) {
  const { project_id, work_item_id, max_tokens = MAX_TOKENS } = query;
  const subject = work_item_id ?? project_id;
  if (subject === undefined)
    throw refusalOf('project_id', { code: 'required', message: 'Send project_id or work_item_id.' });
  const item =
    work_item_id === undefined
      ? findProject(e, e.app, project_id)
      : findReadable(e, e.app, 'pm_work_items', work_item_id);
  const project = item.getString('project') || item.id;
  if (project_id !== undefined && project_id !== project)
    throw refusalOf('project_id', {
      code: 'not_of_project',
      message: 'The item belongs to another project.',
    });
  return {
    project_id: project,
    work_item_id: work_item_id ?? null,
    max_tokens,
    ...rules.assembleContext(sectionsOf(e, item, project), max_tokens),
  };
}

/**
 * What is known about an item, in the order of importance.
 * @param {core.RequestEvent} e @param {core.Record} item @param {string} project
 * @returns {Section[]}
 */
function sectionsOf(e, item, project) {
  const live = $dbx.exp(LIVE);
  const { id } = item;
  /**
   * @param {Section['kind']} kind @param {string} collection @param {dbx.Expression[]} where @param {string[]} order
   * @param {(records: core.Record[]) => Section['parts'][number][]} describe @param {number} [limit]
   * @returns {Section}
   */
  const section = (kind, collection, where, order, describe, limit = MAX_PARTS) => {
    const { items: parts, total } = listPage(e, collection, { per_page: limit }, where, order, describe);
    return { kind, parts: [...parts], total };
  };
  const ancestors = ancestorsOf(e, item);
  const blocking = $dbx.exp(
    "id IN (SELECT blocker FROM pm_dependencies WHERE blocked = {:id} AND kind = 'blocks')",
    { id },
  );
  const about = id === project ? $dbx.hashExp({ work_item: '' }) : $dbx.in('work_item', '', id);
  const items = (/** @type {core.Record[]} */ records) => textsOfItems(e, records);
  return [
    { kind: 'item', parts: items([item]), total: 1 },
    { kind: 'ancestor', parts: items(ancestors), total: ancestors.length },
    section('child', 'pm_work_items', [live, $dbx.hashExp({ parent: id })], BY_RANK, items),
    section('blocker', 'pm_work_items', [live, blocking], BY_RANK, items),
    section(
      'context',
      'pm_llm_context',
      [live, $dbx.hashExp({ project, superseded_by: '' }), about],
      PINNED_FIRST,
      (records) =>
        contextsOf(e.app, records).map(({ id: at, kind, title, content }) => ({
          id: at,
          text: `# ${kind}: ${title}\n\n${content}`,
        })),
    ),
    section(
      'comment',
      'pm_comments',
      [live, $dbx.hashExp({ work_item: id })],
      LATEST_FIRST,
      (records) =>
        commentsOf(e.app, records).map(({ id: at, author, body, created_at }) => ({
          id: at,
          text: `${new Date(created_at).toISOString()} ${author?.name ?? ''}: ${body}`,
        })),
      MAX_LATEST,
    ),
    section(
      'activity',
      'pm_activity_log',
      [$dbx.hashExp({ entity_type: 'work_item', entity_id: id })],
      LATEST_FIRST,
      (records) =>
        activitiesOf(e.app, records).map(({ id: at, actor, actor_kind, action, changes, created_at }) => ({
          id: at,
          text: `${new Date(created_at).toISOString()} ${actor?.name || actor_kind} ${action} ${JSON.stringify(changes)}`,
        })),
      MAX_LATEST,
    ),
  ];
}

/** @param {core.RequestEvent} e @param {core.Record[]} records */
function textsOfItems(e, records) {
  return itemsOf(e.app, records).map((item) => ({ id: item.id, text: rules.textOfItem(item) }));
}

/** The parents of an item, from the nearest one to the project. @param {core.RequestEvent} e @param {core.Record} item */
function ancestorsOf(e, item) {
  /** @type {core.Record[]} */
  const ancestors = [];
  let above = item.getString('parent') || item.getString('project');
  while (above !== '') {
    const next = findReadable(e, e.app, 'pm_work_items', above);
    ancestors.push(next);
    above = next.getString('parent') || next.getString('project');
  }
  return ancestors;
}

/** @param {core.RequestEvent} e @param {Input} input */
function list_llm_contexts(e, { query }) {
  const { project_id: project, work_item_id: work_item, kind, pinned } = query;
  const wanted = Object.entries({ project, work_item, kind, pinned }).filter(
    ([, value]) => value !== undefined,
  );
  const where = [$dbx.exp(LIVE)];
  if (wanted.length > 0) where.push($dbx.hashExp(Object.fromEntries(wanted)));
  return list(e, CONTEXTS, query, where, PINNED_FIRST);
}

/** @type {{ [operation: string]: (e: core.RequestEvent, input: Input) => unknown }} */
module.exports = {
  assemble_llm_context,
  list_llm_contexts,
  create_llm_context: (e, { body }) => create(e, CONTEXTS, body),
  get_llm_context: getOf(CONTEXTS),
  replace_llm_context: replaceOf(CONTEXTS),
  change_llm_context: changeOf(CONTEXTS),
  delete_llm_context: deleteOf(CONTEXTS),
  list_llm_tools: () => ({ tools: toolsOf(OPERATIONS) }),
};
