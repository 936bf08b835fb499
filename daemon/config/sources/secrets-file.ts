import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, open, readdir, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'dotenv';
import { isDatabaseName } from '../../../shared/database-name.ts';
import { MAX_ENV_FILE_BYTES } from '../../../shared/env-file.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { readRegularFile } from '../../../shared/regular-file.ts';
import { nestedNameOf, valueOf } from '../../../shared/setting-names.ts';
import { makeDirectory, systemErrorCode } from '../../base/files/dir.ts';
import { withFileLock } from '../../base/files/file-lock.ts';
import { replaceFile, writeAndClose } from '../../base/files/replace-file.ts';
import { GENERATED_SECRETS, type GeneratedSecret, SETTINGS } from './variables.ts';

const HEADER = `# Secrets of this Fathom. Keep a copy in a safe place: without the keys, encrypted data is lost.
`;

/**
 * Writes a new set of secrets, mode 0600. In a file that exists, such as a copy of `.env.sample`, it fills those that are
 * empty and changes nothing else.
 *
 * @param dirs data that may need an earlier key
 * @returns the names of the secrets that were filled; null for a new file
 * @throws FathomError `config.exists` when a file exists and has all secrets, `config.invalid` when data needs an empty key
 */
export async function createEnvFile(
  path: string,
  dirs: DataDirs,
): Promise<readonly GeneratedSecret[] | null> {
  const text = `${HEADER}\nPB_ADMIN_EMAIL=admin@fathom.local\n${secretLines(GENERATED_SECRETS)}`;
  await makeDirectory(dirname(path)).catch((error: unknown) => {
    throw cannotWrite(path, error);
  });
  let file: FileHandle;
  try {
    file = await open(path, 'wx', 0o600);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw cannotWrite(path, error);
    return fillEnvFile(path, dirs);
  }
  try {
    await writeAndClose(file, text);
    return null;
  } catch (error) {
    await rm(path, { force: true });
    throw cannotWrite(path, error);
  }
}

async function fillEnvFile(path: string, dirs: DataDirs): Promise<readonly GeneratedSecret[]> {
  try {
    const { text, filled } = fillSecrets(readIfThere(path), generateSecret);
    if (filled.length > 0) {
      await refuseNewKeys(dirs, filled);
      // Not the link, if it is one.
      await replaceFile(await realpath(path), text, { mode: 0o600, synced: true });
      return filled;
    }
  } catch (error) {
    throw error instanceof FathomError ? error : cannotWrite(path, error);
  }
  const remedy = 'move it away, or name another file with --env-file';
  throw new FathomError('config.exists', `${path} has all secrets and is not changed; ${remedy}`);
}

/** Fills the lines of an env file that name a secret without a value. Other lines stay as they are. */
export function fillSecrets(
  text: string,
  generate: (name: GeneratedSecret) => string,
): { text: string; filled: readonly GeneratedSecret[] } {
  const values = parse(text);
  const isEmpty = (name: string) =>
    (name in values || nestedNameOf(name) in values) && valueOf(values, name) === undefined;
  const filled = GENERATED_SECRETS.filter(isEmpty);
  const secrets = new Map<string, string>();
  for (const name of filled) {
    const secret = generate(name);
    secrets.set(name, secret).set(nestedNameOf(name), secret);
  }
  const line = /^([ \t]*(?:export[ \t]+)?(\w+)[ \t]*=).*$/gm;
  const replace = (all: string, start: string, name: string) => {
    const secret = secrets.get(name);
    return secret === undefined ? all : `${start}${secret}`;
  };
  return { text: text.replace(line, replace), filled };
}

/**
 * The path of an env file or of data that belongs to earlier secrets. New secrets would hide that the earlier ones are
 * lost. Null when there is neither.
 */
export async function findEarlierSecrets(dirs: DataDirs): Promise<string | null> {
  const envFile = join(dirs.dataDir, '.env');
  return existsSync(envFile) ? envFile : findEncryptedData(dirs);
}

export interface DataDirs {
  dataDir: string;
  userDatabasesDir: string;
}

export interface EnsureSecretsOptions extends DataDirs {
  missing: readonly GeneratedSecret[];
}

/**
 * Generates the missing secrets that `$FATHOM_DATA_DIR/.env` does not have yet, and appends them there. A lock makes
 * concurrent starts use the same secrets.
 *
 * @returns the names of the secrets that were added
 * @throws FathomError `config.invalid` when a key is missing and data exists, which needs the original key
 */
export async function ensureSecrets(options: EnsureSecretsOptions): Promise<readonly GeneratedSecret[]> {
  const { dataDir, missing } = options;
  if (missing.length === 0) return [];
  const path = join(dataDir, '.env');
  try {
    await makeDirectory(dataDir);
    return await withFileLock(`${path}.lock`, async () => {
      const before = readIfThere(path);
      const existing = parse(before);
      const added = missing.filter((name) => valueOf(existing, name) === undefined);
      await refuseNewKeys(options, added);
      if (added.length > 0)
        await replaceFile(path, appendSecrets(before, added), { mode: 0o600, synced: true });
      return added;
    });
  } catch (error) {
    throw error instanceof FathomError ? error : cannotWrite(path, error);
  }
}

async function refuseNewKeys(dirs: DataDirs, names: readonly GeneratedSecret[]): Promise<void> {
  const keys = names.filter((name) => name === 'AES_MASTER_KEY' || name === 'PB_ENCRYPTION_KEY');
  if (keys.length === 0) return;
  const data = await findEncryptedData(dirs);
  if (data === null) return;
  const message = `is not set, but the data in ${data} needs its original key; put that key into ${dirs.dataDir}/.env`;
  throw new FathomError('config.invalid', 'the configuration is not valid:', {
    fields: keys.map((path) => ({ path, message })),
  });
}

/** The directory whose data was encrypted with earlier keys; null without such data. */
async function findEncryptedData({ dataDir, userDatabasesDir }: DataDirs): Promise<string | null> {
  const global = join(dataDir, 'global', 'pb_data');
  const users = await readdir(userDatabasesDir).catch(() => []);
  return users.some(isDatabaseName) ? userDatabasesDir : existsSync(global) ? global : null;
}

function appendSecrets(before: string, names: readonly GeneratedSecret[]): string {
  const start = before === '' ? HEADER : before.replace(/\n*$/, '\n');
  return `${start}\n${secretLines(names)}`;
}

function secretLines(names: readonly GeneratedSecret[]): string {
  return names.map((name) => `# ${SETTINGS[name].about}\n${name}=${generateSecret(name)}\n`).join('');
}

/** Random bytes in the format of the setting. */
export function generateSecret(name: GeneratedSecret): string {
  switch (name) {
    case 'AES_MASTER_KEY':
    case 'PB_ENCRYPTION_KEY':
      return randomBytes(32).toString('base64');
    case 'JWT_SECRET':
      return randomBytes(64).toString('base64');
    case 'PB_ADMIN_PASSWORD':
      return randomPassword();
  }
}

/** 24 characters that need no quoting in a shell, a URL or an env file: 144 random bits. */
export function randomPassword(): string {
  return randomBytes(18).toString('base64url');
}

function readIfThere(path: string): string {
  try {
    return readRegularFile(path, { maxBytes: MAX_ENV_FILE_BYTES }).text;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

function cannotWrite(path: string, cause: unknown): FathomError {
  const remedy = `make ${dirname(path)} writable for this user, or name another directory`;
  return new FathomError('data_dir.unusable', `cannot write ${path} (${messageOf(cause)}); ${remedy}`, {
    cause,
  });
}
