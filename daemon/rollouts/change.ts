import { join } from 'node:path';
import type { PhaseReason } from '../../shared/api/instances.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import type { Clock } from '../base/time/clock.ts';
import type { ServedPaths } from '../databases/applications/assembled.ts';
import type { Catalog, CatalogEntry } from '../databases/catalog.ts';
import type { Binary } from '../pocketbase/binary/binary.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { rolloutDirOf } from '../supervisor/instance-spec.ts';
import type { DatabaseThread } from './data/database-thread.ts';
import type { DatabaseFacts } from './data/facts.ts';
import type { DatabaseJournal, JournalStep, Journals } from './journal.ts';
import type { TrialDeps } from './trial.ts';

/** Steps of a change that tests observe. */
export type ChangeStep = JournalStep | 'copied' | 'tried' | 'ended';

export interface ChangeDeps extends TrialDeps {
  catalog: Catalog;
  fleet: Fleet;
  journals: Journals;
  thread: DatabaseThread;
  clock: Clock;
  /** The verified executable of a value of `pocketbase_version`, with its template. @throws FathomError `binary.unusable` */
  binaryOf: (version: string) => Promise<Binary>;
  onStep: (step: ChangeStep, database: string) => void;
}

/** What is done to the data before the new version is tried, and the version. */
export interface Change {
  rollout: string;
  /** The value of `pocketbase_version` after the change. */
  after: string;
  /** Its applications after the change; null when they stay. */
  applications: string | null;
  /** Builds what the change needs, while clients do not wait. Does nothing when it exists. */
  prepare?: (entry: CatalogEntry) => Promise<void>;
  /** Shown while the database does not answer. */
  why: PhaseReason;
  /** Changes the files of a database, or of a clone in another directory. Returns why it failed; null when it worked. */
  apply: (entry: CatalogEntry, directory: string, signal: AbortSignal) => Promise<string | null>;
  /** The hooks and static files with which a database is tested. */
  served: (entry: CatalogEntry) => ServedPaths;
  /** Whether everything must be as before: a migration may change rows and rules. */
  keepsData: boolean;
  /** The hash of the migrations that a database does not apply after it went back; null for a version. */
  hold: string | null;
}

/** The change did not work. The data and the version are as before. */
export class ChangeFailed extends Error {}

/** It did not work, but neither does the version before: the reason is the data or the use of the database. */
export class FailsBefore extends ChangeFailed {}

/** The copy is damaged, so it was not brought back. The data is as the change left it. */
export class CopyDamaged extends Error {}

export function copyOf(directory: string): string {
  return join(rolloutDirOf(directory), 'pb_data');
}

export function readFactsOf(dataDir: string, user: string, thread: DatabaseThread): Promise<DatabaseFacts> {
  return thread.run({ kind: 'facts', file: join(dataDir, 'data.db'), ownerId: user });
}

/** Stores the version and the applications in the row, unless they are there. */
export async function setRow(
  entry: CatalogEntry,
  { version, applications }: { version: string; applications: string | null },
  { catalog }: Pick<ChangeDeps, 'catalog'>,
): Promise<void> {
  const { row, runner } = entry;
  const isChosen = applications === null || row.applications === applications;
  if (row.pocketbase_version === version && isChosen) return;
  await catalog.update(entry, {
    pocketbase_version: version,
    ...(applications !== null && { applications }),
  });
  runner.state.update({});
}

/** Removes what a change needed. The journal is removed last. */
export async function endChange(entry: CatalogEntry, { journals, onStep }: ChangeDeps): Promise<void> {
  await removeTree(rolloutDirOf(entry.runner.spec.directory));
  await journals.remove(entry.row.name);
  onStep('ended', entry.row.name);
}

/** Notes a step before it begins. */
export async function enter(
  journal: DatabaseJournal,
  step: JournalStep,
  { journals, onStep }: ChangeDeps,
): Promise<void> {
  journal.step = step;
  await journals.write(journal);
  onStep(step, journal.database);
}
