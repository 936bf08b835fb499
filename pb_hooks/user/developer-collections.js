// Collections that the superuser of a developer's database may change.

/** Of `users`, Fathom sets everything else: only the owner signs in there, with the password of the account. */
const OWN_PARTS_OF_USERS = [
  'fields',
  'updated',
  'verificationTemplate',
  'resetPasswordTemplate',
  'confirmEmailChangeTemplate',
];
const TOKENS = ['authToken', 'passwordResetToken', 'emailChangeToken', 'verificationToken', 'fileToken'];
/** Fathom uses tables with these names, or SQLite has functions of them. */
const RESERVED = /^(_|sqlite|json_each$|pragma)/i;
const WORD = /^\w+$/;
/** Characters of one collection, and bytes of all. The daemon reads them before each start. */
const MAX_COLLECTION = 512 * 1024;
const MAX_ALL = 8 * 1024 * 1024;
const MAX_COUNT = 1_000;

/**
 * @param {{ app: CoreApp, collection: core.Collection }} e
 * @throws ForbiddenError
 */
function checkSaved(e) {
  const { isServing, refusal } = require(`${__hooks}/_fathom/developer-requests.js`);
  if (!isServing(e.app)) return;
  const before = find(e.app, e.collection.id);
  const text = JSON.stringify(e.collection);
  const after = JSON.parse(text);
  if (before !== null && (before.system || before.name === 'users')) {
    const parts = before.system ? ['updated'] : OWN_PARTS_OF_USERS;
    if (!isSame(before, e.collection, parts)) {
      throw refusal(
        before.system
          ? `PocketBase and Fathom manage the collection ${before.name}. Leave it as it is.`
          : 'Fathom manages the collection users, except its fields and the texts of its mails. Leave the rest as it is.',
      );
    }
    if (before.system) return;
  }
  if (before === null || before.name !== after.name) checkName(after.name, after.system);
  const names = [
    after.id || 'id',
    after.name,
    ...after.fields.map((/** @type {{ name: string }} */ field) => field.name),
  ];
  const wrong = names.find((name) => !WORD.test(name));
  if (wrong !== undefined)
    throw refusal(`${JSON.stringify(wrong)} is not a name. Use letters, digits and underscores.`);
  checkSql(after);
  checkProviders(after);
  checkSize(e.app, text.length);
}

/**
 * @param {string} name
 * @param {boolean} isSystem
 */
function checkName(name, isSystem) {
  const { refusal } = require(`${__hooks}/_fathom/developer-requests.js`);
  if (isSystem || RESERVED.test(name) || name.toLowerCase() === 'users')
    throw refusal(`The name ${name} is reserved. Choose another one.`);
}

/** @param {{ viewQuery?: string, indexes?: string[] }} collection */
function checkSql({ viewQuery = '', indexes = [] }) {
  const { refusal } = require(`${__hooks}/_fathom/developer-requests.js`);
  const { indexProblem, queryProblem } = require(`${__hooks}/_fathom/developer-sql.js`);
  const problem = [queryProblem(viewQuery), ...indexes.map(indexProblem)].find((one) => one !== null);
  if (problem) throw refusal(problem);
}

/**
 * PocketBase itself sends requests to all addresses of a provider but the one for the browser.
 *
 * @param {{ oauth2?: { providers?: { name: string, tokenURL?: string, userInfoURL?: string, extra?: object }[] } }} collection
 */
function checkProviders({ oauth2 = {} }) {
  const { refusal } = require(`${__hooks}/_fathom/developer-requests.js`);
  const { parseUrl, targetProblem } = require(`${__hooks}/_fathom/developer-targets.js`);
  const { isListed } = require(`${__hooks}/_fathom/superuser-addresses.js`);
  const targets = JSON.parse(toString($os.readFile(`${__hooks}/_fathom/guard-developer.json`)));
  for (const { name, tokenURL, userInfoURL, extra } of oauth2.providers || []) {
    const others = Object.values(extra || {}).filter((value) => String(value).includes(':'));
    for (const url of [tokenURL, userInfoURL, ...others]) {
      if (!url) continue;
      // A query is part of the address of some providers.
      const problem = targetProblem(parseUrl(String(url).replace(/[?#].*$/, '')), targets, isListed);
      if (problem !== null) throw refusal(`The sign-in provider ${name}: ${problem}`);
    }
  }
}

/**
 * @param {CoreApp} app
 * @param {number} added characters
 */
function checkSize(app, added) {
  const { refusal } = require(`${__hooks}/_fathom/developer-requests.js`);
  const sum = new DynamicModel({ n: 0, size: 0 });
  app
    .db()
    .newQuery(
      'SELECT count(*) AS n, coalesce(sum(octet_length(fields) + octet_length(indexes) + octet_length(options)), 0) AS size FROM _collections',
    )
    .one(sum);
  if (added > MAX_COLLECTION || sum.size + added > MAX_ALL || sum.n > MAX_COUNT)
    throw refusal(
      `A collection can have ${MAX_COLLECTION} characters, all together ${MAX_ALL} bytes, and there can be ${MAX_COUNT}.`,
    );
}

/**
 * @param {core.CollectionEvent} e
 * @throws ForbiddenError
 */
function checkDeleted(e) {
  const { isServing, refusal } = require(`${__hooks}/_fathom/developer-requests.js`);
  const before = find(e.app, e.collection.id);
  if (isServing(e.app) && before !== null && before.name === 'users')
    throw refusal(
      'The collection users contains the owner, and cannot be deleted. An import that deletes others must contain it.',
    );
}

/**
 * As it is stored.
 *
 * @param {CoreApp} app
 * @param {string} id
 */
function find(app, id) {
  try {
    return id === '' ? null : app.findCollectionByNameOrId(id);
  } catch {
    return null;
  }
}

/**
 * @param {core.Collection} before
 * @param {core.Collection} after
 * @param {readonly string[]} except parts that may differ
 */
function isSame(before, after, except) {
  const [a, b] = [before, after].map((collection) => {
    const parts = JSON.parse(JSON.stringify(collection));
    for (const part of except) delete parts[part];
    const secrets = TOKENS.map((token) => {
      const options = /** @type {{ [name: string]: { secret?: string } }} */ (
        /** @type {unknown} */ (collection)
      )[token];
      return options ? options.secret : '';
    });
    return JSON.stringify([parts, secrets]);
  });
  return a === b;
}

module.exports = Object.freeze({ checkDeleted, checkSaved });
