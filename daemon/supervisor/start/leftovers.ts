import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { unlessMissing } from '../../base/files/dir.ts';
import { archivedFileOf } from '../../pocketbase/data/archived-file.ts';
import { drillDirOf, restoreDirOf, rolloutDirOf } from '../instance-spec.ts';

/** Of directories between which other work of the daemon goes on. A look at one takes 0.02 ms. */
const LOOKS_AT_A_TIME = 100;
const LEFT_BY_WORK = [rolloutDirOf, drillDirOf, restoreDirOf, archivedFileOf];

/** Paths that work on a database has left, and that the start of the daemon handles. */
export type Leftovers = ReadonlySet<string>;

/**
 * Finds what a daemon that ended has left in the directories of databases. Thousands have nothing, and the start waits for this,
 * so call it while the start waits for something else.
 *
 * @param others directories of instances elsewhere
 */
export async function findLeftovers(userDatabasesDir: string, others: readonly string[]): Promise<Leftovers> {
  const names = (await readdir(userDatabasesDir).catch(unlessMissing)) ?? [];
  const directories = [...others, ...names.map((name) => join(userDatabasesDir, name))];
  const found = new Set<string>();
  for (const [index, directory] of directories.entries()) {
    if (index % LOOKS_AT_A_TIME === 0) await nextTurn();
    for (const pathIn of LEFT_BY_WORK) {
      const path = pathIn(directory);
      if (existsSync(path)) found.add(path);
    }
  }
  return found;
}
