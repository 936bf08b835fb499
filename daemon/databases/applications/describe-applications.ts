import { join } from 'node:path';
import type { ApplicationView } from '../../../shared/api/applications.ts';
import { isMigration } from '../migrations/migration-files.ts';
import { listTree } from './read-tree.ts';
import { isHook, WELL_KNOWN } from './served-files.ts';
import { type ApplicationSettings, DOCUMENTS, listAllApplications, type PackageFiles } from './sources.ts';

/** Describes all applications, in the order of their names. @throws SetProblem */
export async function describeApplications(
  own: PackageFiles,
  settings: ApplicationSettings,
): Promise<Omit<ApplicationView, 'databases'>[]> {
  const isChosen = (name: string, isOwn: boolean) =>
    name === DOCUMENTS || (settings.applications?.includes(name) ?? !isOwn);
  const all = (await listAllApplications(own, settings)).map(async ({ name, directory, manifest, isOwn }) => {
    const paths = async (part: string) =>
      (await listTree(join(directory, part), WELL_KNOWN)).map(({ path }) => path);
    return {
      name,
      version: manifest?.version ?? null,
      description: manifest?.description ?? '',
      directory,
      built_in: isOwn,
      chosen: isChosen(name, isOwn),
      migrations: (await paths('migrations')).filter(isMigration).length,
      hooks: (await paths('hooks')).filter(isHook).length,
      public_files: (await paths('public')).length,
    };
  });
  return (await Promise.all(all)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
