import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectory } from '../../base/files/dir.ts';
import { readLimited } from '../../base/files/read-limited.ts';
import { listTree, unreadable } from '../applications/read-tree.ts';
import { SetProblem } from '../applications/set-problem.ts';

export interface MigrationFile {
  /** Relative to the directory. PocketBase runs files at the top level only. */
  path: string;
  application: string;
  /** Absolute path. */
  origin: string;
  content: Uint8Array;
  sha256: string;
}

/** The daemon holds all files of a set in its memory. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** The files that PocketBase runs. */
const MIGRATION = /\.(?:js|ts)$/;

/** Returns the names of the migrations, without other files. */
export function migrationNames(files: readonly Pick<MigrationFile, 'path'>[]): string[] {
  return files.map(({ path }) => path).filter(isMigration);
}

export function isMigration(path: string): boolean {
  return !path.includes('/') && MIGRATION.test(path);
}

/** Returns the text of a migration. */
export function textOf({ content }: Pick<MigrationFile, 'content'>): string {
  return Buffer.from(content).toString('utf8');
}

/** Writes the files of a set into one directory for PocketBase. */
export async function writeMigrationSet(files: readonly MigrationFile[], directory: string): Promise<void> {
  await makeDirectory(directory);
  for (const { path, content } of files) {
    await makeDirectory(dirname(join(directory, path)));
    await writeFile(join(directory, path), content, { mode: 0o600 });
  }
}

/** Reads the migrations in a directory. @throws SetProblem */
export async function readMigrations(application: string, directory: string): Promise<MigrationFile[]> {
  const files: MigrationFile[] = [];
  for (const { path, origin } of await listTree(directory))
    files.push(await readMigration({ path, application, origin }));
  return files;
}

/** Joins migrations of several directories. @throws SetProblem when two different files have one name */
export function joinMigrations(all: readonly MigrationFile[]): MigrationFile[] {
  const files = new Map<string, MigrationFile>();
  for (const file of all) {
    const other = files.get(file.path);
    if (other && other.sha256 !== file.sha256) throw duplicate(file, other);
    if (!other) files.set(file.path, file);
  }
  return [...files.values()];
}

/** Two files of applications that would have the same place. */
export function duplicate(file: { path: string; origin: string }, other: { origin: string }): SetProblem {
  return new SetProblem(
    'duplicate',
    file.path,
    `${file.origin} and ${other.origin} have the same name and different contents; rename one of them`,
  );
}

async function readMigration(
  file: Pick<MigrationFile, 'path' | 'application' | 'origin'>,
): Promise<MigrationFile> {
  let content: Uint8Array;
  try {
    content = await readLimited(file.origin, MAX_FILE_BYTES);
  } catch (error) {
    throw unreadable(file.origin, error, file.path);
  }
  if (MIGRATION.test(file.path) && !isUtf8(content)) {
    throw new SetProblem('not_utf8', file.path, `${file.origin} is not UTF-8 text; convert it`);
  }
  return { ...file, content, sha256: sha256(content) };
}

function isUtf8(content: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(content);
    return true;
  } catch {
    return false;
  }
}

/** Sorts migrations as PocketBase runs them. */
export function inOrder(files: readonly MigrationFile[]): MigrationFile[] {
  return files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** Hash of names and contents. */
export function hashOf(files: readonly MigrationFile[]): string {
  return sha256(
    Buffer.from(
      inOrder(files)
        .map(({ path, sha256: hash }) => `${path}\0${hash}\n`)
        .join(''),
    ),
  );
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
