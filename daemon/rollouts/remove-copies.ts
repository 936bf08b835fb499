import { existsSync } from 'node:fs';
import { removeTree } from '../base/files/remove-tree.ts';
import type { FoundProcess } from '../pocketbase/process/process-driver.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';

/**
 * Removes copies of databases that an earlier daemon was testing, and ends their processes. Call it before instances start.
 *
 * @param directories of the copies, most of which do not exist
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
    // Thousands of databases have none, and the start waits for this.
    if (!existsSync(directory)) continue;
    for (const process of found.filter(({ dataDir }) => dataDir === dataDirOf(directory))) {
      await fleet.endFound(process);
      ended.add(process);
    }
    await removeTree(directory);
  }
  return ended;
}
