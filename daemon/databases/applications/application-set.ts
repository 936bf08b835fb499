import { join } from 'node:path';
import type { MigrationProblem } from '../../../shared/api/migrations.ts';
import { messageOf } from '../../../shared/errors.ts';
import {
  hashOf,
  inOrder,
  joinMigrations,
  type MigrationFile,
  readMigrations,
  sha256,
} from '../migrations/migration-files.ts';
import { readServedFiles, type Served, type ServedFiles } from './served-files.ts';
import { SetProblem } from './set-problem.ts';
import {
  type ApplicationSettings,
  BASE,
  listAllApplications,
  listApplications,
  type PackageFiles,
} from './sources.ts';

/** What databases get from all applications together. */
export interface ApplicationSet {
  /** Hash of names and contents. */
  hash: string;
  /** The migrations, in the order in which PocketBase runs them. */
  files: readonly MigrationFile[];
  /** Hooks and static files; null without any. */
  served: ServedFiles | null;
  /** Why the set cannot be used. */
  problem: MigrationProblem | null;
}

/** Reads all applications. A file that cannot be read becomes the problem of the set. Never rejects. */
export async function readApplicationSet(
  own: PackageFiles,
  settings: ApplicationSettings,
): Promise<ApplicationSet> {
  const migrations: MigrationFile[] = [];
  try {
    migrations.push(...(await readMigrations(BASE, own.migrationsDir)));
    const applications = await listApplications(own, settings);
    for (const { name, directory } of applications)
      migrations.push(...(await readMigrations(name, join(directory, 'migrations'))));
    const files = joinMigrations(migrations);
    const served = await readServedFiles(applications);
    return { hash: setHash(files, served), files: inOrder(files), served, problem: null };
  } catch (error) {
    const problem =
      error instanceof SetProblem
        ? error.problem
        : { code: 'unreadable' as const, file: null, line: null, message: messageOf(error) };
    const hash = sha256(Buffer.from(JSON.stringify(problem)));
    return { hash, files: inOrder(migrations), served: null, problem };
  }
}

/**
 * Reads the migrations of all applications, and those that every database needs. Files of different applications can have one
 * name. Without those that cannot be read, which are a problem of databases with them.
 */
export async function readAllMigrations(
  own: PackageFiles,
  settings: Pick<ApplicationSettings, 'appDir'>,
): Promise<MigrationFile[]> {
  const files = await readUsable(BASE, own.migrationsDir);
  for (const { name, directory } of await listAllApplications(own, settings).catch(noneOf))
    files.push(...(await readUsable(name, join(directory, 'migrations'))));
  return files;
}

function readUsable(name: string, directory: string): Promise<MigrationFile[]> {
  return readMigrations(name, directory).catch(noneOf);
}

function noneOf(error: unknown): never[] {
  if (error instanceof SetProblem) return [];
  throw error;
}

/** Without hooks and static files, it is that of the migrations. */
export function setHash(files: readonly MigrationFile[], served: Served | null): string {
  const migrations = hashOf(files);
  return served === null ? migrations : sha256(Buffer.from(`${migrations}\0${served.hash}`));
}
