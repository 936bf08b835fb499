import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { DatabaseAccessLevel } from '../../../shared/access.ts';
import { SUPERUSERS_COLLECTION_ID, type SuperuserKeys } from '../../keys/instance-access.ts';
import {
  isFathomTrigger,
  isGuardedTable,
  tableOfTrigger,
  UnsafeDatabase,
} from '../../pocketbase/data/schema-check.ts';
import { quoteName, toPocketBaseDate } from '../../pocketbase/data/sqlite.ts';
import { needsOwnerSuperuser, restoreOwnerSuperuser } from '../developer/owner-superuser.ts';
import { randomSecret, readCollectionSecrets, replaceCollectionSecrets } from './collection-secrets.ts';

/**
 * The rules of every user database, which migrations and dashboards cannot change permanently: `users` contains only the
 * owner, sign-up is closed, the owner signs in with the password of the account only, and the rules of `documents` name the
 * owner. They are checked and restored in the file, by SQL, while no PocketBase runs on it.
 */
export interface Ownership {
  ownerId: string;
  access: DatabaseAccessLevel;
  /** Null when its secret cannot be opened; then Fathom's superuser is not changed. */
  superuser: SuperuserKeys | null;
  now: Date;
}

/** The access before migrations ran. Their changes to it are reverted. */
export interface Access {
  superusers: string[];
  users: string[];
  /** Signing secrets by collection and purpose. */
  secrets: [collection: string, purpose: string, secret: string][];
  owner: Record<string, string | number> | null;
}

const OWN_RECORD = 'id = @request.auth.id';
const RULES: Readonly<Record<string, string | null>> = {
  listRule: OWN_RECORD,
  viewRule: OWN_RECORD,
  createRule: null,
  updateRule: `${OWN_RECORD} && @request.body.email:isset = false && @request.body.password:isset = false`,
  deleteRule: null,
};
/** A rule of `documents` by Fathom: at first for every record of `users`, then for one id. */
const RULE_OF_DOCUMENTS =
  /^@request\.auth\.id (?:!= ''|= '[^']*') && @request\.auth\.collectionName = 'users'$/;
/** Columns of every auth collection of PocketBase. */
const ACCOUNT_COLUMNS = ['id', 'email', 'emailVisibility', 'verified', 'password', 'tokenKey'] as const;
/** Columns that Fathom writes if an application has not removed them or changed their type. */
const OPTIONAL_COLUMNS: Readonly<Record<string, string>> = {
  name: 'text',
  created: 'autodate',
  updated: 'autodate',
};
/** Not a bcrypt hash, so no password matches. */
export const NO_PASSWORD = '!';

const WRITES_GUARDED =
  /\b(?:_superusers|_collections|_params)\b|\b(?:INTO|UPDATE(?:\s+OR\s+\w+)?|FROM)\s+["'`[]?users\b/i;
/** The index of PocketBase on addresses. Its text comes from the database, so only this form of it is executed. */
const EMAIL_INDEX =
  /^\s*CREATE\s+UNIQUE\s+INDEX\s+(?:IF NOT EXISTS\s+)?[`"]?(\w+)[`"]?\s+ON\s+[`"]?users[`"]?\s*\(`email` COLLATE NOCASE\)(\s*WHERE\s+[`"]?email[`"]?\s*(?:!=|<>)\s*'')?\s*;?\s*$/i;

interface CollectionRow {
  id: string;
  rules: Record<string, SQLOutputValue>;
  options: Record<string, unknown>;
  indexes: string[];
  fields: { name: string; type: string; required?: boolean }[];
}

/** Lists violations of the rules as sentences. Does not check the rules of `documents`. */
export function findViolations(database: DatabaseSync, ownerId: string): string[] {
  const users = readCollection(database, 'users');
  if (!users) return ["there is no collection 'users'"];
  const others = database.prepare('SELECT count(*) AS n FROM users WHERE id <> ?').get(ownerId)?.['n'];
  return [
    ...Object.entries(RULES).flatMap(([rule, wanted]) =>
      users.rules[rule] === wanted ? [] : [`users.${rule} is ${formatRule(users.rules[rule])}`],
    ),
    ...Object.entries(requiredOptions(users.options)).flatMap(([option, wanted]) =>
      JSON.stringify(users.options[option]) === JSON.stringify(wanted)
        ? []
        : [`users.${option} is not as Fathom sets it`],
    ),
    ...findForeignTriggers(database).map((name) => `the trigger ${name} can change accounts`),
    ...(Number(others) > 0 ? [`users holds ${Number(others)} accounts besides the owner`] : []),
  ];
}

/**
 * Restores the rules.
 *
 * @param before the access before migrations; null when none ran
 * @returns the changes, as text
 * @throws the error of SQLite
 */
export function enforceOwnership(
  database: DatabaseSync,
  ownership: Ownership,
  before: Access | null,
): string[] {
  return [
    // Triggers could undo the following changes.
    ...removeTriggers(database),
    ...(before ? restoreAccess(database, before) : []),
    ...restoreUsers(database),
    ...restoreDocumentRules(database, ownership.ownerId),
    ...restoreSuperuser(database, ownership),
    ...restoreOwnerSuperuser(database, ownership),
  ];
}

/** Whether `users` is open to others, so that a running PocketBase must be restarted. Rules of `documents` can wait. */
export function hasOpenUsers(database: DatabaseSync): boolean {
  const users = readCollection(database, 'users');
  return users !== null && correctUsers(users) !== null;
}

/** Whether `enforceOwnership` would change anything; reads only. */
export function needsEnforcement(database: DatabaseSync, ownership: Ownership): boolean {
  const documents = readCollection(database, 'documents');
  return (
    hasOpenUsers(database) ||
    findForeignTriggers(database).length > 0 ||
    (documents !== null && Object.keys(outdatedDocumentRules(documents, ownership.ownerId)).length > 0) ||
    (ownership.superuser !== null && !hasSuperuser(database, ownership.superuser)) ||
    needsOwnerSuperuser(database, ownership)
  );
}

export function readAccess(database: DatabaseSync, ownerId: string): Access {
  const ids = (table: string) =>
    database
      .prepare(`SELECT id FROM ${table}`)
      .all()
      .map((row) => String(row['id']));
  const owner = database
    .prepare('SELECT id, email, emailVisibility, verified, password, tokenKey FROM users WHERE id = ?')
    .get(ownerId);
  return {
    superusers: ids('_superusers'),
    users: ids('users'),
    secrets: readCollectionSecrets(database),
    owner: owner ? ({ ...owner } as Record<string, string | number>) : null,
  };
}

/** Whether `users` has the optional field with its original type. */
export function hasField(database: DatabaseSync, name: string): boolean {
  const fields = readCollection(database, 'users')?.fields ?? [];
  return fields.some((field) => field.name === name && field.type === OPTIONAL_COLUMNS[name]);
}

/** Inserts the owner's record, with the optional columns that exist. */
export function insertOwner(
  database: DatabaseSync,
  owner: Readonly<Record<string, string | number>>,
  { name, now }: { name: string; now: string },
): void {
  const optional: Record<string, string> = { name, created: now, updated: now };
  const values = {
    ...Object.fromEntries(ACCOUNT_COLUMNS.map((column) => [column, owner[column] ?? ''])),
    ...Object.fromEntries(Object.entries(optional).filter(([column]) => hasField(database, column))),
  };
  const columns = Object.keys(values);
  database
    .prepare(`INSERT INTO users (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`)
    .run(...Object.values(values));
}

/** Lists required fields of `users` that Fathom does not know when it creates the owner's record. */
export function findRequiredFields(database: DatabaseSync): string[] {
  const known: readonly string[] = ACCOUNT_COLUMNS;
  return (readCollection(database, 'users')?.fields ?? [])
    .filter(({ name, required }) => required === true && !known.includes(name))
    .map(({ name }) => name);
}

function findForeignTriggers(database: DatabaseSync): string[] {
  return database
    .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    .all()
    .filter(({ sql }) => {
      const isGuarded = isGuardedTable(tableOfTrigger(String(sql)) ?? '') || WRITES_GUARDED.test(String(sql));
      return isGuarded && !isFathomTrigger(String(sql));
    })
    .map(({ name }) => String(name));
}

/** Removes triggers that can change accounts. @returns the removals, as text */
export function removeTriggers(database: DatabaseSync): string[] {
  const names = findForeignTriggers(database);
  for (const name of names) database.exec(`DROP TRIGGER ${quoteName(name)}`);
  return names.map((name) => `removed the trigger ${name}, which can change accounts`);
}

function restoreAccess(database: DatabaseSync, before: Access): string[] {
  const added = removeOthers(database, '_superusers', before.superusers);
  const accounts = removeOthers(database, 'users', before.users);
  const known = new Map(
    before.secrets.map(([collection, purpose, secret]) => [`${collection}/${purpose}`, secret]),
  );
  replaceCollectionSecrets(
    database,
    (collection, purpose) => known.get(`${collection}/${purpose}`) ?? randomSecret(),
  );
  return [
    ...(added > 0 ? [`removed ${added} superusers that migrations added`] : []),
    ...(accounts > 0 ? [`removed ${accounts} accounts that migrations added to users`] : []),
    ...(before.owner && restoreOwner(database, before.owner) ? ["restored the owner's record in users"] : []),
  ];
}

function removeOthers(
  database: DatabaseSync,
  table: 'users' | '_superusers',
  keep: readonly string[],
): number {
  const removal = database.prepare(`DELETE FROM ${table} WHERE id NOT IN (SELECT value FROM json_each(?))`);
  return Number(removal.run(JSON.stringify(keep)).changes);
}

function restoreOwner(database: DatabaseSync, owner: Record<string, string | number>): boolean {
  const now = database.prepare('SELECT * FROM users WHERE id = ?').get(owner['id'] ?? '');
  if (!now) {
    insertOwner(database, owner, { name: '', now: '' });
    return true;
  }
  const changed = Object.entries(owner).filter(([column, value]) => now[column] !== value);
  for (const [column, value] of changed) {
    // A token key from a migration may be known to others, and an ended one must not be restored.
    const restored = column === 'tokenKey' ? randomSecret() : value;
    database.prepare(`UPDATE users SET "${column}" = ? WHERE id = ?`).run(restored, owner['id'] ?? '');
  }
  return changed.length > 0;
}

function restoreUsers(database: DatabaseSync): string[] {
  const users = readCollection(database, 'users');
  const wanted = users && correctUsers(users);
  if (!users || !wanted) return [];
  const columns = Object.keys(RULES).map((rule) => `${rule} = ?`);
  database
    .prepare(`UPDATE _collections SET ${columns.join(', ')}, options = ?, indexes = ? WHERE id = ?`)
    .run(...Object.values(RULES), JSON.stringify(wanted.options), JSON.stringify(wanted.indexes), users.id);
  for (const [position, index] of wanted.indexes.entries()) {
    if (index === users.indexes[position]) continue;
    const [, name, condition] = EMAIL_INDEX.exec(index) ?? [];
    if (name === undefined) throw new UnsafeDatabase('the index of users on the address has an unknown form');
    const where = condition === undefined ? '' : " WHERE `email` != ''";
    database.exec(
      `DROP INDEX IF EXISTS \`${name}\`; CREATE UNIQUE INDEX \`${name}\` ON \`users\` (\`email\` COLLATE NOCASE)${where}`,
    );
  }
  return ['closed users, which contains only the owner'];
}

/** Returns the corrected options and indexes; null when nothing must be changed. */
function correctUsers(users: CollectionRow): Pick<CollectionRow, 'options' | 'indexes'> | null {
  const options = { ...users.options, ...requiredOptions(users.options) };
  // PocketBase looks accounts up with this index, so an address must be unique in any letter case.
  const indexes = users.indexes.map((index) =>
    index.replace(/\(\s*[`"]?email[`"]?\s*\)/, '(`email` COLLATE NOCASE)'),
  );
  const same =
    Object.entries(RULES).every(([rule, wanted]) => users.rules[rule] === wanted) &&
    JSON.stringify(options) === JSON.stringify(users.options) &&
    JSON.stringify(indexes) === JSON.stringify(users.indexes);
  return same ? null : { options, indexes };
}

/** Returns the options that allow sign-in with a password only, so that locking the account locks the database. */
function requiredOptions(options: Record<string, unknown>): Record<string, unknown> {
  const password = section(options, 'passwordAuth');
  const identity = Array.isArray(password['identityFields']) ? (password['identityFields'] as unknown[]) : [];
  return {
    authRule: '',
    manageRule: null,
    authAlert: { ...section(options, 'authAlert'), enabled: false },
    oauth2: { ...section(options, 'oauth2'), enabled: false },
    otp: { ...section(options, 'otp'), enabled: false },
    mfa: { ...section(options, 'mfa'), enabled: false },
    passwordAuth: {
      ...password,
      enabled: true,
      identityFields: identity.includes('email') ? identity : ['email', ...identity],
    },
  };
}

function section(options: Record<string, unknown>, name: string): Record<string, unknown> {
  const value = options[name];
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function restoreDocumentRules(database: DatabaseSync, ownerId: string): string[] {
  const documents = readCollection(database, 'documents');
  if (!documents) return [];
  const changes = Object.entries(outdatedDocumentRules(documents, ownerId));
  for (const [rule, wanted] of changes) {
    database.prepare(`UPDATE _collections SET ${rule} = ? WHERE id = ?`).run(wanted, documents.id);
  }
  return changes.length > 0 ? ["wrote the owner's id into the rules of documents"] : [];
}

/** Returns the rules to change. Rules that an application has replaced are not changed. */
function outdatedDocumentRules({ rules }: CollectionRow, ownerId: string): Record<string, string> {
  const wanted = `@request.auth.id = '${ownerId}' && @request.auth.collectionName = 'users'`;
  return Object.fromEntries(
    Object.entries(rules).flatMap(([rule, current]) =>
      typeof current === 'string' && current !== wanted && RULE_OF_DOCUMENTS.test(current)
        ? [[rule, wanted]]
        : [],
    ),
  );
}

function hasSuperuser(
  database: DatabaseSync,
  { recordId, tokenKey, collectionSecret }: SuperuserKeys,
): boolean {
  return (
    database.prepare('SELECT 1 FROM _superusers WHERE id = ? AND tokenKey = ?').get(recordId, tokenKey) !==
      undefined &&
    readCollectionSecrets(database).some(
      ([collection, purpose, secret]) =>
        collection === SUPERUSERS_COLLECTION_ID && purpose === 'authToken' && secret === collectionSecret,
    )
  );
}

/** Restores Fathom's superuser, which probes, browsing and sign-outs need. */
function restoreSuperuser(database: DatabaseSync, { superuser, now }: Ownership): string[] {
  if (superuser === null || hasSuperuser(database, superuser)) return [];
  const known = new Map(
    readCollectionSecrets(database).map(([id, purpose, secret]) => [`${id}/${purpose}`, secret]),
  );
  replaceCollectionSecrets(database, (collection, purpose) =>
    collection === SUPERUSERS_COLLECTION_ID && purpose === 'authToken'
      ? superuser.collectionSecret
      : (known.get(`${collection}/${purpose}`) ?? randomSecret()),
  );
  const at = toPocketBaseDate(now);
  const email = 'fathom@localhost.internal';
  database.prepare('DELETE FROM _superusers WHERE id = ? OR email = ?').run(superuser.recordId, email);
  database
    .prepare(
      'INSERT INTO _superusers (id, email, password, tokenKey, verified, created, updated) VALUES (?, ?, ?, ?, 1, ?, ?)',
    )
    .run(superuser.recordId, email, NO_PASSWORD, superuser.tokenKey, at, at);
  return ["restored Fathom's superuser"];
}

function readCollection(database: DatabaseSync, name: string): CollectionRow | null {
  const row = database.prepare('SELECT * FROM _collections WHERE name = ?').get(name);
  if (!row) return null;
  const json = (column: string, empty: string) => JSON.parse(String(row[column] ?? empty)) as unknown;
  return {
    id: String(row['id']),
    rules: Object.fromEntries(Object.keys(RULES).map((rule) => [rule, row[rule] ?? null])),
    options: (json('options', '{}') ?? {}) as CollectionRow['options'],
    indexes: (json('indexes', '[]') ?? []) as string[],
    fields: (json('fields', '[]') ?? []) as CollectionRow['fields'],
  };
}

function formatRule(rule: SQLOutputValue | undefined): string {
  if (rule === null || rule === undefined) return 'closed';
  return rule === '' ? 'open to all' : `'${String(rule)}'`;
}
