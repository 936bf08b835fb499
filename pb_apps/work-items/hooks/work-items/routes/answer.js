const { REFERENCES } = require(`${__hooks}/work-items/access.js`);
const { OPERATIONS, typedQuery, validate } = require(`${__hooks}/work-items/operations.js`);

/** @typedef {{ id: string, query: any, body: any }} Input */
/** @type {{ [name: string]: (e: core.RequestEvent, input: Input) => unknown }} */
const HANDLERS = {
  ...require(`${__hooks}/work-items/routes/items.js`),
  ...require(`${__hooks}/work-items/routes/llm.js`),
  ...require(`${__hooks}/work-items/routes/projects.js`),
  ...require(`${__hooks}/work-items/routes/records.js`),
  ...require(`${__hooks}/work-items/routes/sprints.js`),
};

/** A text for language models has 100,000 characters, and JSON can write each of them in six bytes. */
const MAX_BODY_BYTES = 1024 * 1024;
const FIELDS = /** @type {{ [column: string]: string }} */ (
  Object.fromEntries(Object.entries(REFERENCES).map(([field, column]) => [column, field]))
);

/** Answers a request: checks the person, the query and the body, in one place for all operations. @param {core.RequestEvent} e */
function answer(e) {
  const { pattern } = e.request;
  const found = Object.entries(OPERATIONS).find(([, { method, path }]) => `${method} ${path}` === pattern);
  const [name, operation] = found ?? ['', null];
  const handle = HANDLERS[name];
  if (!operation || !handle) throw new NotFoundError(`There is no operation ${pattern}.`);
  const { query, body, status } =
    /** @type {import('../../../../../shared/work/api/operation.ts').Operation} */ (operation);
  const info = readRequest(e);
  requireActive(e);
  const input = {
    id: e.request.pathValue('id'),
    query: query ? admit(query, typedQuery(query, info.query)) : {},
    body: body ? admit(body, JSON.parse(JSON.stringify(info.body))) : {},
  };
  const result = withFieldNames(() => handle(e, input));
  return status === 204 ? e.noContent(204) : e.json(status, result);
}

/** @param {core.RequestEvent} e */
function readRequest(e) {
  if (e.request.contentLength > MAX_BODY_BYTES) {
    // PocketBase keeps the connection, and would read the rest of the body as the next request.
    e.response.header().set('Connection', 'close');
    throw new ApiError(413, 'The body has more than 1 MiB.', {});
  }
  try {
    return e.requestInfo();
  } catch {
    throw new BadRequestError('The body is not valid JSON.');
  }
}

/** The rules of the collections refuse a deactivated member too, but an empty list asks no rule. @param {core.RequestEvent} e */
function requireActive(e) {
  const { auth } = e;
  if (auth?.collection().name === 'pm_members' && !auth.getBool('is_active'))
    throw new ForbiddenError('This member is deactivated.');
}

/** @param {import('../../../../../shared/work/api/schema.ts').ObjectSchema} schema @param {unknown} value */
function admit(schema, value) {
  const refusals = [...validate(schema, value)];
  if (refusals.some(([field]) => field === '')) throw new BadRequestError('The body must be an object.');
  if (refusals.length > 0) throw refusalOfFields(400, refusals);
  return value;
}

/** Names fields in refusals as requests do. @template T @param {() => T} run */
function withFieldNames(run) {
  try {
    return run();
  } catch (error) {
    // An error from a save is wrapped: the refusal of a hook, or the errors of PocketBase's own validation.
    const cause = /** @type {any} */ (error).value ?? error;
    const isRefusal = cause.status !== undefined;
    const { status, data, message } = isRefusal ? cause : new ApiError(400, '', cause);
    const refusals = Object.entries(data).map(([column, refusal]) => [FIELDS[column] ?? column, refusal]);
    if (refusals.length === 0) throw error;
    throw refusalOfFields(status, /** @type {any} */ (refusals), isRefusal ? message : undefined);
  }
}

/**
 * @param {number} status
 * @param {[field: string, { code: string, message: string }][]} refusals
 * @param {string} [message] by default that of the first field
 */
function refusalOfFields(status, refusals, message) {
  const errors = refusals.map(([field, refusal]) => {
    const { code } = refusal;
    const isMissing = code === 'validation_missing_rel_records';
    return /** @type {const} */ ([field, code, isMissing ? 'There is no such record.' : refusal.message]);
  });
  const [[field, , reason] = ['', '', '']] = errors;
  return new ApiError(
    status,
    message ?? `Field ${field}: ${reason}`,
    Object.fromEntries(errors.map(([name, code, text]) => [name, new ValidationError(code, text)])),
  );
}

module.exports = { answer };
