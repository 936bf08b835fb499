import { randomUUID } from 'node:crypto';
import { chmod, constants, copyFile, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { makeDirectory } from '../../base/files/dir.ts';
import type { SuperuserKeys } from '../../keys/instance-access.ts';
import type { GuardSettings } from '../../pocketbase/data/guard-settings.ts';
import {
  hasAutomaticBackups,
  readSettings,
  type Settings,
  storeSettings,
} from '../../pocketbase/data/settings.ts';
import { inTransaction, toPocketBaseDate, withDatabase } from '../../pocketbase/data/sqlite.ts';
import type { Served } from '../applications/served-files.ts';
import type { MigrationFile } from '../migrations/migration-files.ts';
import { randomSecret, replaceCollectionSecrets } from '../owner/collection-secrets.ts';
import { type OwnerKeys, readOwnerKeys } from '../owner/owner-access.ts';
import { storeTokenEpoch } from '../owner/owner-account.ts';
import { enforceOwnership, insertOwner, removeTriggers } from '../owner/ownership.ts';

/** A tested set of migrations, and the empty database that it creates. */
export interface Template {
  /** Hash of its migrations. */
  hash: string;
  /** The `pb_data` to clone. It contains no secrets. */
  pbData: string;
  /** A copy of the migrations, so that later changes of the files reach no database untested. */
  migrationsDir: string;
  files: readonly MigrationFile[];
  /** Hooks and static files of applications; null without any. */
  served: Served | null;
}

/** The owner's account in the global PocketBase. */
export interface Owner {
  id: string;
  email: string;
  name: string;
  verified: boolean;
  /** bcrypt, as PocketBase stores it. */
  password_hash: string;
  /** See `OwnerAccount`. */
  token_epoch: string;
}

export interface CloneRequest {
  /** The directory of the database; it appears complete or not at all. */
  directory: string;
  name: string;
  owner: Owner;
  superuser: SuperuserKeys;
  /** 32 characters; PocketBase encrypts the settings of this instance with them. */
  encryptionKey: string;
  guard: GuardSettings;
  now: Date;
}

/** Only warnings are written to disk; PocketBase logs ordinary requests and probes below this level. */
const LOG_LEVEL_WARN = 4;

/** What is known of a new database, which no process has opened yet. */
export interface NewDatabase {
  ownerKeys: OwnerKeys;
  /** Whether PocketBase makes backups in it at fixed times. */
  hasOwnJobs: boolean;
}

/** A copy of the template under a hidden name. Disposing it removes a copy that was not completed. */
export interface StagedClone extends AsyncDisposable {
  /** Personalizes the copy for the owner and moves it into place in one step. */
  complete: (request: CloneRequest) => Promise<NewDatabase>;
}

/** Name of an incomplete directory. The start of the daemon removes those that an earlier daemon left. */
export const STAGING_PREFIX = '.staging-';

/**
 * Starts to copy the template. The copy does not depend on the database, so it can run while the control plane assigns a name.
 *
 * @param template its `pb_data`; when it rejects, `complete` rejects with the same error
 * @param parent the directory of all databases
 */
export function stageClone(template: Promise<string>, parent: string): StagedClone {
  const staging = join(parent, `${STAGING_PREFIX}${randomUUID()}`);
  const data = join(staging, 'pb_data');
  let isComplete = false;
  const copyAll = async () => {
    const source = await template;
    await makeDirectory(data);
    await copyTree(source, data);
  };
  const copied = copyAll();
  // `complete` reports the error.
  copied.catch(() => {});
  return {
    complete: async (request) => {
      await copied;
      const file = join(data, 'data.db');
      const created = withDatabase(file, { readOnly: false }, (database) => {
        // The file is synced once, below. No other process uses it before.
        database.exec('PRAGMA synchronous = OFF');
        return inTransaction(database, () => personalize(database, request), { allowTriggers: true });
      });
      await sync(file);
      await rename(staging, request.directory);
      isComplete = true;
      return created;
    },
    [Symbol.asyncDispose]: async () => {
      if (isComplete) return;
      await copied.catch(() => {});
      // The next start of the daemon removes a copy that cannot be removed now.
      await rm(staging, { recursive: true, force: true }).catch(() => {});
    },
  };
}

/** Copies the template and completes the clone at once. */
export async function cloneTemplate(template: string, request: CloneRequest): Promise<NewDatabase> {
  await using clone = stageClone(Promise.resolve(template), dirname(request.directory));
  return await clone.complete(request);
}

/** Copies everything, with the files of records. Blocks are shared if the file system supports it. */
async function copyTree(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      await mkdir(target, { mode: 0o700 });
      await copyTree(source, target);
    } else {
      await copyFile(source, target, constants.COPYFILE_FICLONE);
      await chmod(target, 0o600);
    }
  }
}

async function sync(path: string): Promise<void> {
  await using file = await open(path);
  await file.sync();
}

function personalize(database: DatabaseSync, request: CloneRequest): NewDatabase {
  const now = toPocketBaseDate(request.now);
  const { owner, superuser } = request;
  // Triggers of migrations could restore what is removed here.
  removeTriggers(database);
  // Tokens of one clone must be invalid in another.
  replaceCollectionSecrets(database, randomSecret);
  database.exec('DELETE FROM _superusers; DELETE FROM users');
  insertOwner(
    database,
    {
      id: owner.id,
      email: owner.email,
      emailVisibility: 0,
      verified: owner.verified ? 1 : 0,
      password: owner.password_hash,
      tokenKey: randomSecret(),
    },
    { name: owner.name, now },
  );
  enforceOwnership(database, { ownerId: owner.id, access: 'app', superuser, now: request.now }, null);
  storeTokenEpoch(database, owner.id, owner.token_epoch);
  const settings = writeSettings(database, request);
  const ownerKeys = readOwnerKeys(database, owner.id);
  if (ownerKeys === null) throw new Error('the template has no collection of users');
  return { ownerKeys, hasOwnJobs: hasAutomaticBackups(settings) };
}

function writeSettings(database: DatabaseSync, { name, encryptionKey, guard }: CloneRequest): Settings {
  const settings = readSettings(database, [])?.settings;
  if (!settings) throw new Error('the template has no settings');
  const meta = { ...(settings['meta'] as object), appName: name };
  const logs = { ...(settings['logs'] as object), minLevel: LOG_LEVEL_WARN };
  const changed = { ...settings, ...guard, meta, logs };
  storeSettings(database, changed, encryptionKey);
  return changed;
}
