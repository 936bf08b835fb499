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
import { SetProblem } from './set-problem.ts';
import { type ApplicationSettings, BASE, listApplications, type PackageFiles } from './sources.ts';

/** What databases get from all applications together. */
export interface ApplicationSet {
  /** Hash of names and contents. */
  hash: string;
  /** The migrations, in the order in which PocketBase runs them. */
  files: readonly MigrationFile[];
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
    for (const { name, directory } of await listApplications(own, settings))
      migrations.push(...(await readMigrations(name, join(directory, 'migrations'))));
    const files = joinMigrations(migrations);
    return { hash: hashOf(files), files: inOrder(files), problem: null };
  } catch (error) {
    const problem =
      error instanceof SetProblem
        ? error.problem
        : { code: 'unreadable' as const, file: null, line: null, message: messageOf(error) };
    return { hash: sha256(Buffer.from(JSON.stringify(problem))), files: inOrder(migrations), problem };
  }
}
