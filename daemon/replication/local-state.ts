import { lstat, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectory, unlessMissing } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { replaceFile } from '../base/files/replace-file.ts';

/** Beside `data.db`: what Litestream has sent, and has not sent yet. */
const DIRECTORY = '.data.db-litestream';
/** In it: the id of the replica that it belongs to. */
const REPLICA_FILE = 'fathom-replica';
const DAMAGED = /corrupted|no such file or directory/;

/**
 * Removes the state of a database that belongs to another replica: Litestream would send the changes since then alone, which
 * cannot be restored. It stores the whole database again without it.
 *
 * @param file `data.db`, which Litestream does not have open
 * @param replica its id
 */
export async function bindLocalState(file: string, replica: string): Promise<void> {
  const directory = localStateOf(file);
  const bound = join(directory, REPLICA_FILE);
  // A process of the database may have made links, and Litestream would follow them.
  const parts = [directory, join(directory, 'ltx'), join(directory, 'ltx', '0')];
  const found = await Promise.all(parts.map((part) => lstat(part).catch(unlessMissing)));
  const isPlain = found[0]?.isDirectory() === true && found.every((stats) => stats?.isDirectory() !== false);
  if (isPlain && (await readFile(bound, 'utf8').catch(unlessMissing)) === replica) return;
  await removeLocalState(file);
  await makeDirectory(directory);
  await replaceFile(bound, replica, { mode: 0o600, synced: false });
}

/** Litestream then stores the whole database again. @param file `data.db`, which Litestream does not have open */
export async function removeLocalState(file: string): Promise<void> {
  await removeTree(localStateOf(file));
}

/** Whether a line of Litestream's log says that the state of a database is damaged, as after a power failure. */
export function isLocalDamage(line: string, file: string): boolean {
  return line.includes(`${localStateOf(file)}/`) && DAMAGED.test(line);
}

function localStateOf(file: string): string {
  return join(dirname(file), DIRECTORY);
}
