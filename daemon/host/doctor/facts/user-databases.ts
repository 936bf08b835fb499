import { join } from 'node:path';
import type { MigrationDrift, MigrationProblem } from '../../../../shared/api/migrations.ts';
import type { FathomClient } from '../../../../shared/client/fathom-client.ts';
import { readAllMigrations, readApplicationSet } from '../../../databases/applications/application-set.ts';
import { formatChoice, namesOf } from '../../../databases/applications/choice.ts';
import {
  type ApplicationSettings,
  listNames,
  packageFiles,
} from '../../../databases/applications/sources.ts';
import { readDrift } from '../../../databases/migrations/status.ts';
import { findViolations } from '../../../databases/owner/ownership.ts';
import { withDatabase } from '../../../pocketbase/data/sqlite.ts';
import { dataDirOf } from '../../../supervisor/instance-spec.ts';

export interface MigrationFacts {
  count: number;
  problem: MigrationProblem | null;
  /** Files that the daemon has not tested yet. */
  untried: string[];
  drift: MigrationDrift[];
}

const READ_TIMEOUT_MS = 2_000;

/** Databases in which others than the owner may have access, and why. */
export function findOpenAccounts(
  globalData: string,
  userDatabasesDir: string,
  names: readonly string[],
): { name: string; problems: string[] }[] {
  const owners = readOwners(globalData);
  return names.flatMap((name) => {
    const owner = owners.get(name);
    if (owner === undefined) return [];
    const problems = readDatabase(join(dataDirOf(join(userDatabasesDir, name)), 'data.db'), (database) =>
      findViolations(database, owner),
    );
    return problems && problems.length > 0 ? [{ name, problems }] : [];
  });
}

/** Reads the migrations on the disk. Only a running daemon knows whether they passed their test. */
export async function readMigrations(
  applications: ApplicationSettings,
  databases: readonly { name: string; dataDir: string }[],
  globalData: string,
  client: FathomClient | null,
): Promise<MigrationFacts> {
  const inDirectory = await listNames(applications.appDir).catch(() => []);
  const choices = readChoices(globalData);
  const withApplications = databases.map((database) => {
    const choice = choices.get(database.name) || formatChoice(applications.applications);
    return { ...database, applications: namesOf(choice, inDirectory) };
  });
  const set = await readApplicationSet(packageFiles(), applications);
  // Another finding reports a daemon that does not respond.
  const status = client && (await client.migrations.status().catch(() => null));
  return {
    count: set.files.length,
    problem: set.problem ?? status?.problem ?? null,
    untried: status?.untried ?? [],
    drift: set.problem
      ? []
      : await readDrift(await readAllMigrations(packageFiles(), applications), withApplications),
  };
}

/** The applications of databases by name. Without those of earlier releases. */
function readChoices(globalData: string): Map<string, string> {
  const rows = readDatabase(
    globalData,
    (database) => database.prepare('SELECT name, applications FROM user_databases').all(),
    { isTrusted: true },
  );
  return new Map((rows ?? []).map((row) => [String(row['name']), String(row['applications'])]));
}

function readOwners(globalData: string): Map<string, string> {
  const rows = readDatabase(
    globalData,
    (database) => database.prepare('SELECT name, user FROM user_databases').all(),
    { isTrusted: true },
  );
  return new Map((rows ?? []).map((row) => [String(row['name']), String(row['user'])]));
}

/** Null when the file cannot be read: another finding reports that. */
function readDatabase<T>(
  file: string,
  work: Parameters<typeof withDatabase<T>>[2],
  { isTrusted = false }: { isTrusted?: boolean } = {},
): T | null {
  try {
    return withDatabase(file, { readOnly: true, isTrusted, timeoutMs: READ_TIMEOUT_MS }, work);
  } catch {
    return null;
  }
}
