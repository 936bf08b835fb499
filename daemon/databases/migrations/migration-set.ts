import { createHash } from 'node:crypto';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { MigrationProblem } from '../../../shared/api/migrations.ts';
import { messageOf } from '../../../shared/errors.ts';
import { makeDirectory } from '../../base/files/dir.ts';
import { readLimited } from '../../base/files/read-limited.ts';

/** A directory of migrations: of the package, or of one application. */
export interface MigrationSource {
  application: string;
  directory: string;
}

export interface MigrationFile {
  /** Relative to the directory. PocketBase runs files at the top level only. */
  path: string;
  application: string;
  /** Absolute path. */
  origin: string;
  content: Uint8Array;
  sha256: string;
}

/** All files of migrations, in the order in which PocketBase runs them. */
export interface MigrationSet {
  /** Hash of names and contents. */
  hash: string;
  files: readonly MigrationFile[];
  /** Why the set cannot be used. */
  problem: MigrationProblem | null;
}

export interface ApplicationSettings {
  /** Contains one directory per application. */
  appDir: string;
  /** Null selects all applications of the directory. */
  applications: readonly string[] | null;
}

/** The application that is part of the package. */
export const OWN_APPLICATION = 'documents';
/** The daemon holds all files of a set in its memory. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** The files that PocketBase runs. */
const MIGRATION = /\.(?:js|ts)$/;

/** Reads all sources. A file that cannot be read becomes the problem of the set. Never rejects. */
export async function readMigrationSet(
  packageDir: string,
  { appDir, applications }: ApplicationSettings,
): Promise<MigrationSet> {
  const files = new Map<string, MigrationFile>();
  try {
    for (const source of await listSources(packageDir, appDir, applications)) {
      for (const file of await readSource(source)) {
        const other = files.get(file.path);
        if (other && other.sha256 !== file.sha256) {
          throw new SetProblem(
            'duplicate',
            file.path,
            `${file.origin} and ${other.origin} have the same name and different contents; rename one of them`,
          );
        }
        if (!other) files.set(file.path, file);
      }
    }
    return { hash: hashOf([...files.values()]), files: inOrder([...files.values()]), problem: null };
  } catch (error) {
    const problem =
      error instanceof SetProblem
        ? error.problem
        : { code: 'unreadable' as const, file: null, line: null, message: messageOf(error) };
    const text = JSON.stringify(problem);
    return { hash: sha256(Buffer.from(text)), files: inOrder([...files.values()]), problem };
  }
}

/** Returns the names of the migrations, without other files. */
export function migrationNames(files: readonly Pick<MigrationFile, 'path'>[]): string[] {
  return files.map(({ path }) => path).filter(isMigration);
}

export function isMigration(path: string): boolean {
  return !path.includes('/') && MIGRATION.test(path);
}

/** Writes the files of a set into one directory for PocketBase. */
export async function writeMigrationSet(files: readonly MigrationFile[], directory: string): Promise<void> {
  await makeDirectory(directory);
  for (const { path, content } of files) {
    await makeDirectory(dirname(join(directory, path)));
    await writeFile(join(directory, path), content, { mode: 0o600 });
  }
}

class SetProblem extends Error {
  readonly problem: MigrationProblem;

  constructor(code: MigrationProblem['code'], file: string | null, message: string) {
    super(message);
    this.problem = { code, file, line: null, message };
  }
}

async function listSources(
  packageDir: string,
  appDir: string,
  chosen: readonly string[] | null,
): Promise<MigrationSource[]> {
  const available = await listApplications(appDir);
  const missing = (chosen ?? []).find((name) => name !== OWN_APPLICATION && !available.includes(name));
  if (missing !== undefined) {
    throw new SetProblem(
      'unreadable',
      null,
      `FATHOM_APPS names '${missing}', and there is no directory ${join(appDir, missing)}`,
    );
  }
  const names = chosen?.filter((name) => name !== OWN_APPLICATION) ?? available;
  return [
    { application: OWN_APPLICATION, directory: packageDir },
    ...names.map((name) => ({ application: name, directory: join(appDir, name, 'migrations') })),
  ];
}

async function listApplications(appDir: string): Promise<string[]> {
  const entries = await listDirectory(appDir);
  const names = await Promise.all(
    entries.map(async ({ name }) => ((await stat(join(appDir, name))).isDirectory() ? [name] : [])),
  );
  return names.flat().toSorted();
}

async function readSource({ application, directory }: MigrationSource): Promise<MigrationFile[]> {
  const files: MigrationFile[] = [];
  const visit = async (below: string): Promise<void> => {
    for (const entry of await listDirectory(join(directory, below))) {
      const path = join(below, entry.name);
      const origin = join(directory, path);
      if (entry.isDirectory()) await visit(path);
      else files.push(await readMigration({ path, application, origin }));
    }
  };
  await visit('');
  return files;
}

/** Lists a directory without hidden files, which editors create. A missing directory is empty. */
async function listDirectory(directory: string) {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter(({ name }) => !name.startsWith('.'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new SetProblem(
      'unreadable',
      directory,
      `${directory} cannot be read: ${messageOf(error)}; give it to the user that runs fathomd`,
    );
  }
}

async function readMigration(
  file: Pick<MigrationFile, 'path' | 'application' | 'origin'>,
): Promise<MigrationFile> {
  let content: Uint8Array;
  try {
    content = await readLimited(file.origin, MAX_FILE_BYTES);
  } catch (error) {
    const message = `${file.origin} cannot be read: ${messageOf(error)}; give it to the user that runs fathomd`;
    throw new SetProblem('unreadable', file.path, message);
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

function inOrder(files: MigrationFile[]): MigrationFile[] {
  return files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

function hashOf(files: readonly MigrationFile[]): string {
  return sha256(
    Buffer.from(
      inOrder([...files])
        .map(({ path, sha256: hash }) => `${path}\0${hash}\n`)
        .join(''),
    ),
  );
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
