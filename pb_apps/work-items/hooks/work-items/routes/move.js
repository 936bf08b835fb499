const { actorOf, refusalOf, setActor } = require(`${__hooks}/work-items/access.js`);
const { checkVersion, findLive } = require(`${__hooks}/work-items/items.js`);
const { changeRecord } = require(`${__hooks}/work-items/routes/resources.js`);
const rules = require(`${__hooks}/work-items/rules.js`);

/** @typedef {import('../../../../../shared/work/hook-rules.ts').Ranked} Ranked */

/**
 * Moves an item before or after another one, and into a status and a sprint, as one change.
 * @param {core.RequestEvent} e @param {string} id
 * @param {{ before_id?: string, after_id?: string, status?: string, sprint_id?: string | null }} target
 */
function moveItem(e, id, { before_id, after_id, status, sprint_id }) {
  const field = before_id === undefined ? 'after_id' : 'before_id';
  const other = before_id ?? after_id;
  if (before_id !== undefined && after_id !== undefined)
    throw refusalOf('after_id', { code: 'one_place', message: 'Send before_id or after_id, not both.' });
  if (other === undefined && status === undefined && sprint_id === undefined)
    throw refusalOf('before_id', {
      code: 'required',
      message: 'Send before_id, after_id, status or sprint_id.',
    });
  return changeRecord(e, 'pm_work_items', id, (item, app) => {
    checkVersion(e, item);
    if (other !== undefined)
      for (const ranked of ranksOf(app, item, findNeighbour(app, item, other, field), field)) {
        const one = ranked.id === id ? item : app.findRecordById('pm_work_items', ranked.id);
        one.set('rank', ranked.rank);
        if (one === item) continue;
        setActor(one, actorOf(e));
        app.save(one);
      }
    if (status !== undefined) item.set('status', status);
    if (sprint_id !== undefined) item.set('sprint', sprint_id);
  });
}

/** @param {core.App} app @param {core.Record} item @param {string} id @param {string} field */
function findNeighbour(app, item, id, field) {
  const neighbour = findLive(app, 'pm_work_items', id);
  const isInList = neighbour?.getString('project') === item.getString('project');
  if (neighbour && isInList && neighbour.id !== item.id) return neighbour;
  throw refusalOf(field, {
    code: 'place_not_allowed',
    message: 'There is no such other item in the project.',
  });
}

/**
 * The rank of the item at its new place, and those of neighbours when there is no rank left between them.
 * @param {core.App} app @param {core.Record} item @param {core.Record} neighbour @param {string} field
 * @returns {Ranked[]}
 */
function ranksOf(app, item, neighbour, field) {
  const [isBefore, rank] = [field === 'before_id', neighbour.getString('rank')];
  const [comparison, direction] = isBefore ? ['<', 'DESC'] : ['>', 'ASC'];
  const [next] = findRanks(
    app,
    item,
    `AND (rank, id) ${comparison} ({:rank}, {:neighbour}) ORDER BY rank ${direction}, id ${direction} LIMIT 1`,
    { rank, neighbour: neighbour.id },
  );
  const beyond = next?.rank ?? null;
  const free = isBefore ? rules.rankInGap(beyond, rank) : rules.rankInGap(rank, beyond);
  if (free !== null) return [{ id: item.id, rank: free }];
  const list = findRanks(app, item, 'ORDER BY rank, id', {});
  const at = list.findIndex(({ id }) => id === neighbour.id);
  return rules.ranksOfInsertion(list, isBefore ? at : at + 1, item.id);
}

/**
 * Ranks of the list of an item, without the item.
 * @param {core.App} app @param {core.Record} item @param {string} rest of the query
 * @param {{ [name: string]: string }} bound
 */
function findRanks(app, item, rest, bound) {
  /** @type {any[]} */
  const rows = arrayOf(new DynamicModel({ id: '', rank: '' }));
  const sql =
    "SELECT id, rank FROM pm_work_items WHERE project = {:project} AND deleted_at = '' AND id <> {:item}";
  app
    .db()
    .newQuery(`${sql} ${rest}`)
    .bind({ ...bound, project: item.getString('project'), item: item.id })
    .all(rows);
  return rows.map(({ id, rank }) => ({ id, rank }));
}

module.exports = { moveItem };
