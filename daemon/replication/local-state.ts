import { lstat, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectory, unlessMissing } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { replaceFile } from '../base/files/replace-file.ts';

/** Beside `data.db`: what Litestream has sent, and has not sent yet. */
const DIRECTORY = '.data.db-litestream';
/** In it: the id of the replica that it belongs to. */
const REPLICA_FILE = 'fathom-replica';

/**
 * Removes the state of a database that belongs to another replica: Litestream would send the changes since then alone, which
 * cannot be restored. It stores the whole database again without it.
 *
 * @param file `data.db`, which Litestream does not have open
 * @param replica its id
 */
export async function bindLocalState(file: string, replica: string): Promise<void> {
  const directory = join(dirname(file), DIRECTORY);
  const bound = join(directory, REPLICA_FILE);
  // A process of the database may have made links, and Litestream would follow them.
  const parts = [directory, join(directory, 'ltx'), join(directory, 'ltx', '0')];
  const found = await Promise.all(parts.map((part) => lstat(part).catch(unlessMissing)));
  const isPlain = found[0]?.isDirectory() === true && found.every((stats) => stats?.isDirectory() !== false);
  if (isPlain && (await readFile(bound, 'utf8').catch(unlessMissing)) === replica) return;
  await removeTree(directory);
  await makeDirectory(directory);
  await replaceFile(bound, replica, { mode: 0o600, synced: false });
}
