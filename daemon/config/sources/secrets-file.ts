import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'dotenv';
import { isDatabaseName } from '../../../shared/database-name.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { makeDirectory } from '../../base/files/dir.ts';
import { withFileLock } from '../../base/files/file-lock.ts';
import { replaceFile, writeAndClose } from '../../base/files/replace-file.ts';
import { GENERATED_SECRETS, type GeneratedSecret, SETTINGS } from './variables.ts';

const HEADER = `# Secrets of this Fathom. Keep a copy in a safe place: without the keys, what they encrypt is lost.
`;

/** Writes a fresh set of secrets, mode 0600; throws `config.exists` rather than replace a file. */
export async function createEnvFile(path: string): Promise<void> {
  const text = `${HEADER}\nPB_ADMIN_EMAIL=admin@fathom.local\n${secretLines(GENERATED_SECRETS)}`;
  await makeDirectory(dirname(path)).catch((error: unknown) => {
    throw unwritable(path, error);
  });
  let file: FileHandle;
  try {
    file = await open(path, 'wx', 0o600);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw unwritable(path, error);
    const next = 'move it away first, or name another with --env-file';
    throw new FathomError('config.exists', `${path} exists and is not overwritten; ${next}`, {
      cause: error,
    });
  }
  try {
    await writeAndClose(file, text);
  } catch (error) {
    await rm(path, { force: true });
    throw unwritable(path, error);
  }
}

/** What needs the secrets it was made with, and of which fresh ones would hide that they are lost; null when there is nothing. */
export async function placeWithSecrets(dirs: DataDirs): Promise<string | null> {
  const own = join(dirs.dataDir, '.env');
  return existsSync(own) ? own : placeWithKeys(dirs);
}

interface DataDirs {
  dataDir: string;
  userDatabasesDir: string;
}

export interface EnsureSecretsOptions extends DataDirs {
  missing: readonly GeneratedSecret[];
}

/**
 * Generates those of `missing` that `$FATHOM_DATA_DIR/.env` does not hold yet and appends them there.
 * Whoever comes second waits and then finds the first one's, so two starts at once agree. Returns what was added.
 * Once there are databases, a new key would only hide that theirs is lost: that throws `config.invalid`.
 */
export async function ensureSecrets(options: EnsureSecretsOptions): Promise<readonly GeneratedSecret[]> {
  const { dataDir, missing } = options;
  if (missing.length === 0) return [];
  const path = join(dataDir, '.env');
  try {
    await makeDirectory(dataDir);
    return await withFileLock(`${path}.lock`, async () => {
      const before = await readIfThere(path);
      const held = parse(before);
      const wanted = missing.filter((name) => (held[name] ?? '').trim() === '');
      await refuseNewKeys(options, wanted);
      if (wanted.length > 0) await replaceFile(path, appended(before, wanted), { mode: 0o600, synced: true });
      return wanted;
    });
  } catch (error) {
    throw error instanceof FathomError ? error : unwritable(path, error);
  }
}

async function refuseNewKeys(
  options: EnsureSecretsOptions,
  wanted: readonly GeneratedSecret[],
): Promise<void> {
  const keys = wanted.filter((name) => name === 'AES_MASTER_KEY' || name === 'PB_ENCRYPTION_KEY');
  if (keys.length === 0) return;
  const place = await placeWithKeys(options);
  if (place === null) return;
  const message = `is not set, but what lies in ${place} needs the one it was made with; put it back into ${options.dataDir}/.env`;
  throw new FathomError('config.invalid', 'the configuration is not valid:', {
    fields: keys.map((path) => ({ path, message })),
  });
}

async function placeWithKeys({ dataDir, userDatabasesDir }: DataDirs): Promise<string | null> {
  const global = join(dataDir, 'global', 'pb_data');
  const users = await readdir(userDatabasesDir).catch(() => []);
  return users.some(isDatabaseName) ? userDatabasesDir : existsSync(global) ? global : null;
}

function appended(before: string, names: readonly GeneratedSecret[]): string {
  const start = before === '' ? HEADER : before.replace(/\n*$/, '\n');
  return `${start}\n${secretLines(names)}`;
}

function secretLines(names: readonly GeneratedSecret[]): string {
  return names.map((name) => `# ${SETTINGS[name].about}\n${name}=${generateSecret(name)}\n`).join('');
}

/** Fresh random bytes, in the form that the setting has. */
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

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

function unwritable(path: string, cause: unknown): FathomError {
  const next = `make ${dirname(path)} writable for this user, or name another directory`;
  return new FathomError('data_dir.unusable', `${path} cannot be written (${messageOf(cause)}); ${next}`, {
    cause,
  });
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
