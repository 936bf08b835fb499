import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { makeDirectory } from '../../base/files/dir.ts';
import { superuserKeys } from '../../keys/instance-access.ts';
import type { GuardSettings } from '../../pocketbase/data/guard-settings.ts';
import { inTransaction, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { ENCRYPTION_VARIABLE } from '../../pocketbase/process/command.ts';
import { describeFailure } from '../../pocketbase/process/migrate.ts';
import { findOldFields } from '../../pocketbase/process/script-advice.ts';
import {
  type Access,
  enforceOwnership,
  findRequiredFields,
  findViolations,
  type Ownership,
  readAccess,
} from '../owner/ownership.ts';
import { cloneTemplate, type Template } from '../provisioning/clone.ts';

import { pendingMigrations } from './applied.ts';
import { isMigration, type MigrationFile, textOf, writeMigrationSet } from './migration-files.ts';
import { migrateScratch, type ScratchRun, SetRefused } from './scratch.ts';

const OWNER = {
  id: 'fathomsownerid1',
  email: 'owner@example.com',
  name: 'Owner',
  verified: true,
  token_epoch: '',
  password_hash: '$2a$10$fathomfathomfathomfathomfathomfathomfathomfathomfatho',
};
const NOW = new Date(0);
const ENCRYPTION_KEY = 'f'.repeat(32);
const SUPERUSER = superuserKeys(new Uint8Array(32));
const OWNERSHIP: Ownership = { ownerId: OWNER.id, access: 'app', superuser: SUPERUSER, now: NOW };

/** The new database that a test leaves in its directory, and what its process needs. */
export function newDatabaseIn(scratch: string): { directory: string; environment: Record<string, string> } {
  return { directory: join(scratch, 'new'), environment: { [ENCRYPTION_VARIABLE]: ENCRYPTION_KEY } };
}

interface TryOut {
  template: Template;
  /** The template of existing databases; null when there is none. */
  current: Template | null;
  /** A temporary directory. */
  scratch: string;
  /** Part of the settings of existing databases. PocketBase validates all settings when a migration saves them. */
  guard: GuardSettings;
  run: Omit<ScratchRun, 'dataDir' | 'migrationsDir'>;
}

/**
 * Tests a template: creates a database for an owner from it, and migrates a database of the previous template, as for
 * existing databases.
 *
 * @returns warnings about what Fathom will correct
 * @throws SetRefused
 */
export async function tryOutMigrations({
  template,
  current,
  scratch,
  guard,
  run,
}: TryOut): Promise<string[]> {
  await makeDirectory(scratch);
  const data = join(template.pbData, 'data.db');
  // Not read-only: this would leave files of a WAL, which every clone would copy.
  const warnings = withDatabase(data, { readOnly: false }, (database) => {
    refuseLostFields(database, template.files);
    return collectWarnings(database);
  });
  try {
    await cloneForOwner(template, newDatabaseIn(scratch).directory, guard);
  } catch (error) {
    throw new SetRefused({
      code: 'accounts_lost',
      file: null,
      line: null,
      message: `no owner can be written into users: ${error instanceof Error ? error.message : String(error)}`,
    });
  }
  if (current === null || current.hash === template.hash) return warnings;
  const environment = { [ENCRYPTION_VARIABLE]: ENCRYPTION_KEY };
  const existing = await cloneForOwner(current, join(scratch, 'existing'), guard);
  const before = readOwnerAccess(existing);
  const upgrade = { ...run, environment, dataDir: existing };
  await migrateScratch({ ...upgrade, migrationsDir: template.migrationsDir }, template.files);
  const lost = findLoss(existing, before);
  if (lost !== null) {
    const file = await findCulprit({ template, current, scratch, guard, run: { ...run, environment } });
    const message = `${file ?? 'a migration'}: ${lost}; owners could not sign in any more`;
    throw new SetRefused({ code: 'accounts_lost', file, line: null, message });
  }
  withDatabase(join(existing, 'data.db'), { readOnly: false }, (database) =>
    inTransaction(database, () => enforceOwnership(database, OWNERSHIP, before), { allowTriggers: true }),
  );
  return warnings;
}

/** Returns the first file that changes the owner's account. */
async function findCulprit({ template, current, scratch, guard, run }: TryOut & { current: Template }) {
  const data = await cloneForOwner(current, join(scratch, 'one-by-one'), guard);
  const before = readOwnerAccess(data);
  const pending = withDatabase(join(data, 'data.db'), { readOnly: true }, (database) =>
    pendingMigrations(database, template.files),
  );
  const files: MigrationFile[] = template.files.filter(({ path }) => !pending.includes(path));
  for (const [step, name] of pending.entries()) {
    const next = template.files.find(({ path }) => path === name);
    if (next) files.push(next);
    const migrationsDir = join(scratch, `step-${step}`);
    await writeMigrationSet(files, migrationsDir);
    await migrateScratch({ ...run, dataDir: data, migrationsDir }, files);
    if (findLoss(data, before) !== null) return name;
  }
  return null;
}

async function cloneForOwner(template: Template, directory: string, guard: GuardSettings): Promise<string> {
  await cloneTemplate(template.pbData, {
    directory,
    name: 'scratch',
    owner: OWNER,
    superuser: SUPERUSER,
    encryptionKey: ENCRYPTION_KEY,
    guard,
    now: NOW,
  });
  return join(directory, 'pb_data');
}

function readOwnerAccess(dataDir: string): Access {
  return withDatabase(join(dataDir, 'data.db'), { readOnly: true }, (database) =>
    readAccess(database, OWNER.id),
  );
}

/** Describes what the owner's account has lost; null when it is unchanged. */
function findLoss(dataDir: string, before: Access): string | null {
  let after: Access;
  try {
    after = readOwnerAccess(dataDir);
  } catch (error) {
    return `users lost what an account needs (${error instanceof Error ? error.message : String(error)})`;
  }
  if (after.owner === null) return "the owner's record in users is gone";
  const changed = Object.entries(before.owner ?? {})
    .filter(([column, value]) => column !== 'tokenKey' && after.owner?.[column] !== value)
    .map(([column]) => column);
  return changed.length === 0 ? null : `the owner's ${changed.join(', ')} in users is lost`;
}

/**
 * PocketBase ignores `schema`, as `fields` was named before 0.23, and creates the collection without fields.
 *
 * @throws SetRefused
 */
function refuseLostFields(database: DatabaseSync, files: readonly MigrationFile[]): void {
  const rows = database
    .prepare("SELECT name FROM _collections WHERE type = 'base' AND json_array_length(fields) = 1")
    .all();
  if (rows.length === 0) return;
  const old = files
    .filter(({ path }) => isMigration(path))
    .map((migration) => ({ file: migration.path, text: textOf(migration) }))
    .map((one) => ({ ...one, line: findOldFields(one.text) }));
  for (const name of rows.map((row) => String(row['name']))) {
    const found = old.find(({ text, line }) => line !== null && text.includes(name));
    if (!found) continue;
    const { file, line } = found;
    const why = `the collection '${name}' has no fields: PocketBase reads no 'schema' since 0.23; write 'fields'`;
    throw new SetRefused({ code: 'failed', file, line, message: describeFailure({ file, line, why }) });
  }
}

/** Describes what Fathom will correct in every database. @throws SetRefused for what it cannot correct */
function collectWarnings(database: DatabaseSync): string[] {
  const count = (table: string) =>
    Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'] ?? 0);
  const hasUsers = database
    .prepare("SELECT 1 FROM _collections WHERE name = 'users' AND type = 'auth'")
    .get();
  if (!hasUsers) {
    const message = "the collection 'users' is gone or has no accounts; owners could not sign in";
    throw new SetRefused({ code: 'accounts_lost', file: null, line: null, message });
  }
  const superusers = count('_superusers');
  return [
    ...findViolations(database, '').map((broken) => `${broken}; Fathom resets this in every database`),
    ...(superusers > 0
      ? [`${superusers} superusers are added; Fathom removes them from every database`]
      : []),
    ...findRequiredFields(database).map(
      (field) => `users.${field} is required, and Fathom creates the owner's record without it`,
    ),
  ];
}
