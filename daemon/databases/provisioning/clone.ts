import { chmod, constants, copyFile, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { makeDirectory } from '../../base/files/dir.ts';
import type { SuperuserKeys } from '../../keys/instance-access.ts';
import type { GuardSettings } from '../../pocketbase/data/guard-settings.ts';
import { readSettings, storeSettings } from '../../pocketbase/data/settings.ts';
import { inTransaction, toPocketBaseDate, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { randomSecret, replaceCollectionSecrets } from '../owner/collection-secrets.ts';
import { enforceOwnership, insertOwner, removeTriggers } from '../owner/ownership.ts';
import { keepTokenEpoch } from '../owner/token-epoch.ts';

/** The owner as the global PocketBase knows it. */
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
  /** The template's `pb_data`. */
  template: string;
  /** The database's directory; it appears complete or not at all. */
  directory: string;
  name: string;
  owner: Owner;
  superuser: SuperuserKeys;
  /** 32 characters, with which PocketBase encrypts the settings of this instance. */
  encryptionKey: string;
  guard: GuardSettings;
  now: Date;
}

/** PocketBase's level for warnings: what it logs of ordinary requests, probes included, is not written to disk. */
const LOG_LEVEL_WARN = 4;

/** Clones the template under a hidden name, makes it this owner's alone, and moves it into place in one step. */
export async function cloneTemplate(request: CloneRequest): Promise<void> {
  const staging = join(dirname(request.directory), `.staging-${request.name}`);
  await rm(staging, { recursive: true, force: true });
  const data = join(staging, 'pb_data');
  await makeDirectory(data);
  try {
    await copyTree(request.template, data);
    const file = join(data, 'data.db');
    withDatabase(file, { readOnly: false }, (database) => {
      // Synced once, below: before that nothing else knows of the file.
      database.exec('PRAGMA synchronous = OFF');
      inTransaction(database, () => personalise(database, request));
    });
    await sync(file);
    await rename(staging, request.directory);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
}

/** All that migrations left, with the files of records; blocks are shared where the file system can. */
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

function personalise(database: DatabaseSync, request: CloneRequest): void {
  const now = toPocketBaseDate(request.now);
  const { owner, superuser } = request;
  // Those of migrations would bring back what is removed here.
  removeTriggers(database);
  // JWTs of one clone must mean nothing to another.
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
  enforceOwnership(database, { ownerId: owner.id, superuser, now: request.now }, null);
  keepTokenEpoch(database, owner.id, owner.token_epoch);
  writeSettings(database, request);
}

function writeSettings(database: DatabaseSync, { name, encryptionKey, guard }: CloneRequest): void {
  const settings = readSettings(database, [])?.settings;
  if (!settings) throw new Error('the template has no settings');
  const meta = { ...(settings['meta'] as object), appName: name };
  const logs = { ...(settings['logs'] as object), minLevel: LOG_LEVEL_WARN };
  storeSettings(database, { ...settings, ...guard, meta, logs }, encryptionKey);
}
