const { actorOf, setActor } = require(`${__hooks}/work-items/access.js`);
const { MARKED } = require(`${__hooks}/work-items/collections.js`);
const { markDeleted } = require(`${__hooks}/work-items/removal.js`);
const { changeRecord, createRecord, findReadable, listPage, requireAdmission, setValues } = require(
  `${__hooks}/work-items/routes/resources.js`,
);

/** @typedef {{ id: string, query: any, body: any }} Input */
/**
 * @typedef {object} Resource
 * @property {string} collection
 * @property {string} path
 * @property {{ [field: string]: string }} columns by the field of requests
 * @property {{ [field: string]: null }} [emptied] what a replacement empties
 * @property {(app: core.App, records: core.Record[]) => any[]} describe
 */

/** @param {core.RequestEvent} e @param {Resource} resource @param {core.Record} record */
function describeOne(e, { describe }, record) {
  return describe(e.app, [record])[0];
}

/** @param {core.RequestEvent} e @param {Resource} resource @param {{ [field: string]: any }} body */
function create(e, resource, body) {
  const record = createRecord(e, resource.collection, (created, app) => {
    // What belongs to an item needs one that the person can read.
    if (typeof body['work_item_id'] === 'string') findReadable(e, app, 'pm_work_items', body['work_item_id']);
    setValues(created, resource.columns, body);
  });
  e.response.header().set('Location', `${resource.path}/${record.id}`);
  return describeOne(e, resource, record);
}

/** @param {Resource} resource */
const getOf =
  (resource) =>
  (/** @type {core.RequestEvent} */ e, /** @type {Input} */ { id }) =>
    describeOne(e, resource, findReadable(e, e.app, resource.collection, id));

/** @param {Resource} resource */
const changeOf =
  (resource) =>
  (/** @type {core.RequestEvent} */ e, /** @type {Input} */ { id, body }) => {
    const { collection, columns } = resource;
    return describeOne(
      e,
      resource,
      changeRecord(e, collection, id, (record) => setValues(record, columns, body)),
    );
  };

/** @param {Resource} resource */
const replaceOf = (resource) => (/** @type {core.RequestEvent} */ e, /** @type {Input} */ input) =>
  changeOf(resource)(e, { ...input, body: { ...resource.emptied, ...input.body } });

/** @param {Resource} resource */
const deleteOf =
  (resource) =>
  (/** @type {core.RequestEvent} */ e, /** @type {Input} */ { id }) =>
    deleteOne(e, resource.collection, id);

/**
 * Deletes a record as the person of the request.
 * @param {core.RequestEvent} e @param {string} collection @param {string} id @param {boolean} [cascades]
 */
function deleteOne(e, collection, id, cascades = false) {
  const actor = actorOf(e);
  e.app.runInTransaction((app) => {
    const record = findReadable(e, app, collection, id);
    requireAdmission(e, app, record, 'deleteRule');
    if (MARKED.includes(collection)) return markDeleted(app, record, actor, cascades);
    setActor(record, actor);
    app.delete(record);
  });
}

/**
 * @param {core.RequestEvent} e @param {Resource} resource @param {{ page?: number, per_page?: number }} query
 * @param {dbx.Expression[]} where @param {string[]} order
 */
function list(e, { collection, describe }, query, where, order) {
  return listPage(e, collection, query, where, order, (records) => describe(e.app, records));
}

module.exports = { create, getOf, changeOf, replaceOf, deleteOf, deleteOne, list };
