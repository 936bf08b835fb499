import { join } from 'node:path';
import { describeFailure } from '../../pocketbase/process/migrate.ts';
import { findMisleading } from '../../pocketbase/process/script-advice.ts';
import { isMigration, readMigrations, textOf } from '../migrations/migration-files.ts';
import { listDirectory } from './read-tree.ts';
import { isHook, readHooks } from './served-files.ts';
import { type ApplicationSettings, listAllApplications, type PackageFiles } from './sources.ts';

/** The names of a project of PocketBase, and those of an application. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ['pb_migrations', 'migrations'],
  ['pb_hooks', 'hooks'],
  ['pb_public', 'public'],
]);
const SCHEMA = /(?:schema|collections?)\w*\.json$/i;
const SCHEMA_ADVICE =
  'import the collections in the dashboard of a PocketBase, and copy the migration that it writes';

/**
 * Finds what databases do not get from an application, although a person would expect it.
 *
 * @returns one text for each, with file and line
 * @throws SetProblem
 */
export async function findUnused(
  { own, applications }: { own: PackageFiles; applications: Pick<ApplicationSettings, 'appDir'> },
  name: string,
): Promise<string[]> {
  const found = (await listAllApplications(own, applications)).find((one) => one.name === name);
  if (!found) return [];
  const { directory } = found;
  const names = (await listDirectory(directory)).map((entry) => entry.name);
  const migrations = await readMigrations(name, join(directory, 'migrations'));
  const hooks = await readHooks(found);
  return [
    ...names.flatMap(misplaced),
    ...migrations.flatMap(({ path }) => unusedMigration(path)),
    ...(hooks.length > 0 && !hooks.some(({ path }) => isHook(path))
      ? ["no file in hooks is loaded: PocketBase loads those whose names end with '.pb.js'"]
      : []),
    ...(['migrations', 'hooks', 'public'].some((one) => names.includes(one))
      ? []
      : ['it has none of the directories migrations, hooks and public, so databases get nothing from it']),
    ...migrations
      .filter(({ path }) => isMigration(path))
      .flatMap((file) => misleadingIn(file.path, textOf(file))),
    ...hooks.flatMap(({ label, text }) => misleadingIn(label, text)),
  ];
}

function misplaced(name: string): string[] {
  const renamed = RENAMED.get(name);
  if (renamed !== undefined) return [`${name} is not used: rename it to '${renamed}'`];
  if (isHook(name)) return [`${name} is not used: move it to the directory 'hooks'`];
  if (SCHEMA.test(name)) return [`${name} is not used: ${SCHEMA_ADVICE}`];
  if (isMigration(name)) return [`${name} is not used: move it to 'migrations', or to 'hooks' as *.pb.js`];
  return [];
}

function unusedMigration(path: string): string[] {
  if (SCHEMA.test(path)) return [`migrations/${path} is not used: ${SCHEMA_ADVICE}`];
  const name = path.split('/').at(-1) ?? path;
  const isBelow = name !== path && /^\d+_/.test(name) && isMigration(name);
  return isBelow
    ? [`migrations/${path} is not used: PocketBase runs files directly in 'migrations', move it there`]
    : [];
}

function misleadingIn(file: string, text: string): string[] {
  return findMisleading(text).map(({ line, why }) => describeFailure({ file, line, why }));
}
