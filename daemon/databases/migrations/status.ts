import { join } from 'node:path';
import type { MigrationDrift, MigrationProblem, MigrationStatus } from '../../../shared/api/migrations.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import type { ServedFile } from '../applications/served-files.ts';
import { BASE } from '../applications/sources.ts';
import type { TemplateStore } from '../provisioning/template.ts';
import { findDrift, groupDrift } from './applied.ts';
import type { MigrationFile } from './migration-files.ts';

/** Returns the migrations of user databases, their problems, and databases that differ from the files. */
export async function readMigrationStatus(
  {
    fleet: template,
    otherProblem,
  }: {
    fleet: Pick<TemplateStore, 'files' | 'servedFiles' | 'problem' | 'warnings' | 'readFiles' | 'readAll'>;
    otherProblem: MigrationProblem | null;
  },
  databases: readonly DriftSubject[],
): Promise<MigrationStatus> {
  const { files, served, problem } = await template.readFiles();
  const untried =
    problem === null
      ? untriedFiles(
          [...files, ...labelled(served?.files ?? [])],
          [...template.files, ...labelled(template.servedFiles)],
        )
      : [];
  const refusal = problem ?? template.problem ?? otherProblem;
  return {
    files: files.map(({ path, application, origin, sha256 }) => ({
      name: path,
      application,
      path: origin,
      sha256,
    })),
    in_use: refusal === null && untried.length === 0,
    problem: refusal,
    untried,
    warnings: [...template.warnings],
    drift: await readDrift(await template.readAll(), databases),
  };
}

type Hashed = Pick<MigrationFile, 'path' | 'sha256'>;

function labelled(files: readonly ServedFile[]): Hashed[] {
  return files.map(({ label, sha256 }) => ({ path: label, sha256 }));
}

/** Lists files that were added, changed or removed since the set was tested. */
function untriedFiles(now: readonly Hashed[], tried: readonly Hashed[]): string[] {
  const before = new Map(tried.map(({ path, sha256 }) => [path, sha256]));
  const paths = new Set(now.map(({ path }) => path));
  return [
    ...now.filter(({ path, sha256 }) => before.get(path) !== sha256).map(({ path }) => path),
    ...[...before.keys()].filter((path) => !paths.has(path)),
  ].toSorted();
}

interface DriftSubject {
  name: string;
  dataDir: string;
  /** Names of its applications. */
  applications: readonly string[];
}

/**
 * Reads every database. Other work runs between two of them. Migrations of an application that was removed from a database are
 * no drift.
 *
 * @param files the migrations of all applications
 */
export async function readDrift(
  files: readonly MigrationFile[],
  databases: readonly DriftSubject[],
): Promise<MigrationDrift[]> {
  const all: Parameters<typeof groupDrift>[0][number][] = [];
  for (const { name, dataDir, applications } of databases) {
    const has = ({ application }: MigrationFile) =>
      application === BASE || applications.includes(application);
    const own = files.filter(has);
    const others = new Set(files.filter((file) => !has(file)).map(({ path }) => path));
    try {
      const drift = withDatabase(join(dataDir, 'data.db'), { readOnly: true }, (database) =>
        findDrift(database, own),
      ).filter(({ file, change }) => change === 'changed' || !others.has(file));
      all.push({ name, drift });
    } catch {
      // The state of the database shows a damaged file.
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return groupDrift(all);
}
