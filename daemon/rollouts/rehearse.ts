import { join } from 'node:path';
import { makeDirectory } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import type { CatalogEntry } from '../databases/catalog.ts';
import { closeDatabases } from '../pocketbase/data/close-databases.ts';
import { dataDirOf, rolloutDirOf } from '../supervisor/instance-spec.ts';
import { type Change, type ChangeDeps, readFactsOf } from './change.ts';
import { linkStorage } from './data/copy.ts';
import { describeLoss } from './data/facts.ts';
import { tryVersion } from './trial.ts';

/**
 * Makes a change on a clone, while the database serves, and removes the clone.
 *
 * @returns why the change does not work; null when it does
 */
export async function rehearse(
  entry: CatalogEntry,
  change: Change,
  deps: Pick<ChangeDeps, 'driver' | 'clock' | 'log' | 'thread' | 'binaryOf'>,
  signal: AbortSignal,
): Promise<string | null> {
  const source = dataDirOf(entry.runner.spec.directory);
  const clone = join(rolloutDirOf(entry.runner.spec.directory), 'rehearsal');
  const data = dataDirOf(clone);
  const { user } = entry.row;
  try {
    await removeTree(clone);
    await makeDirectory(data);
    await deps.thread.run({ kind: 'vacuum', file: join(source, 'data.db'), target: join(data, 'data.db') });
    await linkStorage(source, data);
    const failure = await change.apply(entry, clone, signal);
    if (failure !== null) return failure;
    const facts = await readFactsOf(data, user, deps.thread);
    const binary = await deps.binaryOf(change.after);
    const problem = await tryVersion({ entry, directory: clone, binary, facts }, deps, signal);
    if (problem !== null) return problem;
    closeDatabases(data);
    return describeLoss(facts, await readFactsOf(data, user, deps.thread));
  } finally {
    await removeTree(clone);
  }
}
