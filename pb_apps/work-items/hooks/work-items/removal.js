const { actorOf, inTransaction, isAdmitted, memberOf, now, refusalOf, setActor } = require(
  `${__hooks}/work-items/access.js`,
);
const { MARKED } = require(`${__hooks}/work-items/collections.js`);
const { findLive } = require(`${__hooks}/work-items/items.js`);

/** What belongs to a project, beside items. */
const OF_PROJECT = ['pm_sprints', 'pm_swim_lanes', 'pm_llm_context'];
const TRASH_DAYS = 30;

/**
 * Marks a record as deleted instead of removing it. A deleted one, which only superusers see, is removed.
 * @param {core.RecordRequestEvent} e
 */
function deleteRecord(e) {
  const { record } = e;
  if (record.getString('deleted_at') !== '') return e.next();
  const cascades = e.requestInfo().query['cascade'] === 'true';
  e.app.runInTransaction((app) =>
    markDeleted(app, app.findRecordById(record.collection().name, record.id), actorOf(e), cascades),
  );
  return e.noContent(204);
}

/**
 * In a transaction.
 * @param {core.App} app @param {core.Record} record
 * @param {ReturnType<typeof actorOf>} actor
 * @param {boolean} cascades whether the items below it are deleted too
 */
function markDeleted(app, record, actor, cascades) {
  const { name } = record.collection();
  const below = name === 'pm_work_items' ? belowOf(app, record, '') : [];
  if (below.some((one) => one.collection().name === 'pm_work_items') && !cascades) {
    const message = 'Items are below this item. Delete them first, or with ?cascade=true.';
    throw refusalOf('id', { code: 'has_children', message }, 409);
  }
  const at = now();
  for (const one of [record, ...below]) {
    one.set('deleted_at', at);
    if (one.collection().name === 'pm_work_items') one.set('deleted_by', memberOf(actor));
    setActor(one, actor);
    app.save(one);
  }
  if (name === 'pm_sprints') leaveSprint(app, record.id, actor);
}

/**
 * Brings an item back, and what was deleted with it.
 * @param {core.RequestEvent} e
 * @returns the item
 */
function restore(e) {
  const actor = actorOf(e);
  const id = e.request.pathValue('id');
  return inTransaction(e, (app) => {
    const [item] = app.findRecordsByFilter('pm_work_items', "id = {:id} && deleted_at != ''", '', 1, 0, {
      id,
    });
    if (!item) throw new NotFoundError('There is no such deleted item.');
    for (const field of ['project', 'parent']) {
      const above = item.getString(field);
      if (above !== '' && !findLive(app, 'pm_work_items', above))
        throw refusalOf(field, { code: 'deleted', message: `The ${field} of the item is deleted.` }, 409);
    }
    for (const one of [item, ...belowOf(app, item, item.getString('deleted_at'))]) {
      one.set('deleted_at', '');
      if (one.collection().name === 'pm_work_items') one.set('deleted_by', '');
      setActor(one, actor);
      app.save(one);
    }
    if (!isAdmitted(e, app, item, item.collection().updateRule)) throw new ForbiddenError('Not allowed.');
    return item;
  });
}

/**
 * What is below an item and was deleted at a time; empty for what is not deleted.
 * @param {core.App} app @param {core.Record} item @param {string} at
 * @returns {core.Record[]}
 */
function belowOf(app, item, at) {
  const { id } = item;
  /** @param {string} collection @param {string} field @param {string} value */
  const find = (collection, field, value) => {
    // PocketBase compares an empty parameter with nothing.
    const filter = `${field} = {:value} && deleted_at = ${at === '' ? "''" : '{:at}'}`;
    const found = app.findRecordsByFilter(collection, filter, '', 0, 0, { value, at });
    return /** @type {core.Record[]} */ (found);
  };
  if (item.getString('item_type') === 'project')
    return ['pm_work_items', ...OF_PROJECT].flatMap((collection) => find(collection, 'project', id));
  /** @type {core.Record[]} */
  const found = [];
  // The loop also visits what is added while it runs.
  const above = [id];
  for (const parent of above)
    for (const child of find('pm_work_items', 'parent', parent)) {
      found.push(child);
      above.push(child.id);
    }
  return found;
}

/** @param {core.App} app @param {string} sprint @param {ReturnType<typeof actorOf>} actor */
function leaveSprint(app, sprint, actor) {
  for (const item of app.findRecordsByFilter(
    'pm_work_items',
    "sprint = {:sprint} && deleted_at = ''",
    '',
    0,
    0,
    { sprint },
  )) {
    if (!item) continue;
    item.set('sprint', '');
    setActor(item, actor);
    app.save(item);
  }
}

/**
 * Removes what was deleted long ago. It runs at starts: a job would keep the database from its sleep. The activity log stays.
 * @param {core.App} app
 */
function purge(app) {
  if (!app.hasTable('pm_llm_context')) return;
  const before = new Date(Date.now() - TRASH_DAYS * 86400000).toISOString().replace('T', ' ');
  const old = "deleted_at <> '' AND deleted_at < {:before}";
  const found = new DynamicModel({ found: false });
  const any = MARKED.map((table) => `EXISTS (SELECT 1 FROM ${table} WHERE ${old})`).join(' OR ');
  app.db().newQuery(`SELECT ${any} AS found`).bind({ before }).one(found);
  if (!found.found) return;
  app.runInTransaction((tx) => {
    for (const table of MARKED)
      tx.db().newQuery(`DELETE FROM ${table} WHERE ${old}`).bind({ before }).execute();
    const items = 'NOT IN (SELECT id FROM pm_work_items)';
    for (const sql of [
      `DELETE FROM pm_comments WHERE work_item ${items}`,
      `DELETE FROM pm_time_entries WHERE work_item ${items}`,
      `DELETE FROM pm_dependencies WHERE blocker ${items} OR blocked ${items}`,
      `DELETE FROM pm_llm_context WHERE work_item <> '' AND work_item ${items}`,
      `UPDATE pm_llm_context SET superseded_by = '' WHERE superseded_by <> '' AND superseded_by NOT IN (SELECT id FROM pm_llm_context)`,
    ])
      tx.db().newQuery(sql).execute();
  });
}

module.exports = { deleteRecord, markDeleted, restore, purge };
