import { removeTree } from '../base/files/remove-tree.ts';
import type { FoundProcess } from '../pocketbase/process/process-driver.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';

/**
 * Removes copies of databases that an earlier daemon was testing, and ends their processes. Call it before instances start.
 *
 * @param directories of the copies
 * @param found processes of an earlier daemon
 * @returns those that were ended
 */
export async function removeCopies(
  directories: Iterable<string>,
  found: readonly FoundProcess[],
  fleet: Pick<Fleet, 'endFound'>,
): Promise<Set<FoundProcess>> {
  const ended = new Set<FoundProcess>();
  for (const directory of directories) {
    for (const process of found.filter(({ dataDir }) => dataDir === dataDirOf(directory))) {
      await fleet.endFound(process);
      ended.add(process);
    }
    await removeTree(directory);
  }
  return ended;
}
