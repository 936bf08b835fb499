import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { makeDirectory } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import type { ServedPaths } from '../databases/applications/assembled.ts';
import type { CatalogEntry } from '../databases/catalog.ts';
import type { Binary } from '../pocketbase/binary/binary.ts';
import { closeDatabases } from '../pocketbase/data/close-databases.ts';
import { dataDirOf, rolloutDirOf } from '../supervisor/instance-spec.ts';
import { type Change, type ChangeDeps, readFactsOf } from './change.ts';
import { linkStorage } from './data/copy.ts';
import { describeLoss } from './data/facts.ts';
import { type TrialDeps, type TrialSubject, tryVersion } from './trial.ts';

/** The directory of the clone of a database. */
export function cloneOf(directory: string): string {
  return join(rolloutDirOf(directory), 'rehearsal');
}

/**
 * Makes a change on a clone, while the database serves, and removes the clone.
 *
 * @returns why the change does not work; null when it does
 * @throws the error of the signal
 */
export async function rehearse(
  entry: CatalogEntry,
  change: Change,
  deps: Pick<ChangeDeps, 'driver' | 'clock' | 'log' | 'thread' | 'binaryOf'>,
  signal: AbortSignal,
): Promise<string | null> {
  const source = dataDirOf(entry.runner.spec.directory);
  const clone = cloneOf(entry.runner.spec.directory);
  const data = dataDirOf(clone);
  try {
    await change.prepare?.(entry);
    await removeTree(clone);
    await makeDirectory(data);
    await deps.thread.run({ kind: 'vacuum', file: join(source, 'data.db'), target: join(data, 'data.db') });
    await linkStorage(source, data);
    const failure = await change.apply(entry, clone, signal);
    if (failure !== null) return failure;
    return await tryCopy(
      entry,
      { directory: clone, binary: await deps.binaryOf(change.after), served: change.served(entry) },
      deps,
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    return messageOf(error);
  } finally {
    await removeTree(clone);
  }
}

/**
 * Starts a version on a copy of a database, tests it and ends it. Nothing that clients see may be lost.
 *
 * @param directory of the copy, with its `pb_data`
 * @returns why it does not work; null when it does
 */
export async function tryCopy(
  entry: TrialSubject,
  { directory, binary, served }: { directory: string; binary: Binary; served?: ServedPaths | undefined },
  deps: TrialDeps & Pick<ChangeDeps, 'thread'>,
  signal: AbortSignal,
): Promise<string | null> {
  const data = dataDirOf(directory);
  const { user } = entry.row;
  const facts = await readFactsOf(data, user, deps.thread);
  const problem = await tryVersion({ entry, directory, binary, facts, served }, deps, signal);
  if (problem !== null) return problem;
  closeDatabases(data);
  return describeLoss(facts, await readFactsOf(data, user, deps.thread));
}
