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
import { type ApplicationSettings, BASE, listApplications, type PackageFiles } from './sources.ts';

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

/** Without hooks and static files, it is that of the migrations. */
export function setHash(files: readonly MigrationFile[], served: Served | null): string {
  const migrations = hashOf(files);
  return served === null ? migrations : sha256(Buffer.from(`${migrations}\0${served.hash}`));
}
