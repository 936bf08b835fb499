import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../base/package.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { listDirectory } from './read-tree.ts';
import { SetProblem } from './set-problem.ts';

/** The files of user databases that are part of the package. */
export interface PackageFiles {
  /** The migrations that every database needs. */
  migrationsDir: string;
  /** Contains one directory per application. */
  appsDir: string;
}

export interface ApplicationSettings {
  /** Contains one directory per application of the administrator. */
  appDir: string;
  /** Names, and `*` for all applications of the directory; null is the same. */
  applications: readonly string[] | null;
}

/**
 * A directory with what PocketBase runs:
 *
 *   NAME/app.json       name, version, description
 *   NAME/migrations/    collections and settings
 *   NAME/hooks/         JavaScript in the process
 *   NAME/public/        static files
 */
export interface Application {
  name: string;
  directory: string;
  /** Null for an application without `app.json`. */
  manifest: Manifest | null;
  isOwn: boolean;
}

/** The application of the package that every database has. */
export const DOCUMENTS = 'documents';

/** All applications of the administrator's directory, also those that are added to it later. */
export const EVERY = '*';

/** The name under which migrations that every database needs are shown. */
export const BASE = 'fathom';

export function packageFiles(migrationsDir?: string): PackageFiles {
  return {
    migrationsDir: migrationsDir ?? join(packageRoot(), 'pb_migrations', 'user'),
    appsDir: join(packageRoot(), 'pb_apps'),
  };
}

/** Lists the applications of new databases, those of the package first. @throws SetProblem */
export async function listApplications(
  { appsDir }: Pick<PackageFiles, 'appsDir'>,
  { appDir, applications }: ApplicationSettings,
): Promise<Application[]> {
  const own = await listNames(appsDir);
  const available = await listNames(appDir);
  const chosen = (applications ?? [EVERY]).filter((name) => name !== EVERY);
  const missing = chosen.find((name) => !own.includes(name) && !available.includes(name));
  if (missing !== undefined && missing !== DOCUMENTS) {
    throw new SetProblem(
      'unreadable',
      null,
      `the application '${missing}' is chosen, and there is no directory ${join(appDir, missing)}; add it, or choose others in FATHOM_APPS or by 'fathomd apps remove'`,
    );
  }
  const isChosen = (name: string) => name === DOCUMENTS || chosen.includes(name);
  const named = chosen.filter((name) => !own.includes(name) && name !== DOCUMENTS);
  const all = applications === null || applications.includes(EVERY) ? available : [];
  return [
    ...(await readAll(appsDir, own.filter(isChosen), true)),
    ...(await readAll(appDir, [...new Set([...named, ...all])], false)),
  ];
}

/** Lists all applications, also those that databases do not get. @throws SetProblem */
export async function listAllApplications(
  { appsDir }: Pick<PackageFiles, 'appsDir'>,
  { appDir }: Pick<ApplicationSettings, 'appDir'>,
): Promise<Application[]> {
  return [
    ...(await readAll(appsDir, await listNames(appsDir), true)),
    ...(await readAll(appDir, await listNames(appDir), false)),
  ];
}

function readAll(parent: string, names: readonly string[], isOwn: boolean): Promise<Application[]> {
  return Promise.all(
    names.map(async (name) => {
      const directory = join(parent, name);
      return { name, directory, manifest: await readManifest(directory, name), isOwn };
    }),
  );
}

/** Names of applications in a directory. */
export async function listNames(parent: string): Promise<string[]> {
  const entries = await listDirectory(parent);
  const names = await Promise.all(
    entries.map(async ({ name }) => ((await stat(join(parent, name))).isDirectory() ? [name] : [])),
  );
  return names.flat().toSorted();
}
