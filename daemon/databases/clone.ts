import { randomInt } from 'node:crypto';
import { chmod, constants, copyFile, link, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { makeDirectory } from '../base/dir.ts';
import { readSettings, storeSettings } from '../pocketbase/settings.ts';
import { inTransaction, pocketBaseDate, withDatabase } from '../pocketbase/sqlite.ts';
import type { GuardSettings } from '../security/guard-settings.ts';
import { SUPERUSERS_COLLECTION_ID, type SuperuserKeys } from '../security/instance-access.ts';
import { replaceCollectionSecrets } from './collection-secrets.ts';
import { keepTokenEpoch } from './token-epoch.ts';

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
const SECRET_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const SECRET_CHARACTERS = 50;

/** Clones the template under a hidden name, makes it this owner's alone, and moves it into place in one step. */
export async function cloneTemplate(request: CloneRequest): Promise<void> {
  const staging = join(dirname(request.directory), `.staging-${request.name}`);
  await rm(staging, { recursive: true, force: true });
  const data = join(staging, 'pb_data');
  await makeDirectory(data);
  try {
    await Promise.all([
      ...['data.db', 'auxiliary.db'].map(async (file) => {
        await copyFile(join(request.template, file), join(data, file), constants.COPYFILE_FICLONE);
        await chmod(join(data, file), 0o600);
      }),
      // 0.8 MB that PocketBase would write anew for each instance.
      linkOrCopy(join(request.template, 'types.d.ts'), join(data, 'types.d.ts')),
    ]);
    withDatabase(join(data, 'data.db'), { readOnly: false }, (database) => {
      inTransaction(database, () => personalise(database, request));
    });
    await rename(staging, request.directory);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
}

/** Databases may lie on another disk than the templates. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, to);
  }
}

function personalise(database: DatabaseSync, request: CloneRequest): void {
  const now = pocketBaseDate(request.now);
  const { owner, superuser } = request;
  // JWTs of one clone must mean nothing to another.
  replaceCollectionSecrets(database, (collection, purpose) =>
    collection === SUPERUSERS_COLLECTION_ID && purpose === 'authToken'
      ? superuser.collectionSecret
      : randomSecret(),
  );
  database.exec('DELETE FROM _superusers');
  database
    .prepare(
      'INSERT INTO _superusers (id, email, password, tokenKey, verified, created, updated) VALUES (?, ?, ?, ?, 1, ?, ?)',
    )
    // Not a bcrypt hash, so no password matches: Fathom signs its tokens itself.
    .run(superuser.recordId, 'fathom@localhost.internal', '!', superuser.tokenKey, now, now);
  database
    .prepare(
      'INSERT INTO users (id, email, emailVisibility, verified, name, password, tokenKey, created, updated) VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?)',
    )
    .run(
      owner.id,
      owner.email,
      owner.verified ? 1 : 0,
      owner.name,
      owner.password_hash,
      randomSecret(),
      now,
      now,
    );
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

export function randomSecret(): string {
  return Array.from(
    { length: SECRET_CHARACTERS },
    () => SECRET_ALPHABET[randomInt(SECRET_ALPHABET.length)],
  ).join('');
}
