import { join } from 'node:path';
import type { MigrationDrift, MigrationProblem } from '../../../../shared/api/migrations.ts';
import type { FathomClient } from '../../../../shared/client/fathom-client.ts';
import { packageRoot } from '../../../base/package.ts';
import { type ApplicationSettings, readMigrationSet } from '../../../databases/migrations/migration-set.ts';
import { readDrift } from '../../../databases/migrations/status.ts';
import { findViolations } from '../../../databases/owner/ownership.ts';
import { withDatabase } from '../../../pocketbase/data/sqlite.ts';
import { dataDirOf } from '../../../supervisor/instance-spec.ts';

export interface MigrationFacts {
  count: number;
  problem: MigrationProblem | null;
  /** Files that the daemon has not tried out yet. */
  untried: string[];
  drift: MigrationDrift[];
}

const READ_TIMEOUT_MS = 2_000;

/** Databases whose accounts are not as Fathom promises, and why. */
export function findOpenAccounts(
  globalData: string,
  userDatabasesDir: string,
  names: readonly string[],
): { name: string; problems: string[] }[] {
  const owners = ownersOf(globalData);
  return names.flatMap((name) => {
    const owner = owners.get(name);
    if (owner === undefined) return [];
    const problems = reading(join(dataDirOf(join(userDatabasesDir, name)), 'data.db'), (database) =>
      findViolations(database, owner),
    );
    return problems && problems.length > 0 ? [{ name, problems }] : [];
  });
}

/** The migrations as they are on the disk; whether they are any good is known to a daemon that runs. */
export async function gatherMigrations(
  applications: ApplicationSettings,
  databases: readonly { name: string; dataDir: string }[],
  client: FathomClient | null,
): Promise<MigrationFacts> {
  const set = await readMigrationSet(join(packageRoot(), 'pb_migrations', 'user'), applications);
  // A daemon that does not answer has a finding of its own.
  const tried = client && (await client.migrations.status().catch(() => null));
  return {
    count: set.files.length,
    problem: set.problem ?? tried?.problem ?? null,
    untried: tried?.untried ?? [],
    drift: set.problem ? [] : await readDrift(set.files, databases),
  };
}

function ownersOf(globalData: string): Map<string, string> {
  const rows = reading(globalData, (database) =>
    database.prepare('SELECT name, user FROM user_databases').all(),
  );
  return new Map((rows ?? []).map((row) => [String(row['name']), String(row['user'])]));
}

/** Null for what cannot be read: that is a finding of its own. */
function reading<T>(file: string, work: Parameters<typeof withDatabase<T>>[2]): T | null {
  try {
    return withDatabase(file, { readOnly: true, timeoutMs: READ_TIMEOUT_MS }, work);
  } catch {
    return null;
  }
}
