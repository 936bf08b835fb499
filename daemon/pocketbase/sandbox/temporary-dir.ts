import { randomUUID } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemErrorCode } from '../../base/files/dir.ts';
import { CANNOT_MOVE, removeTree } from '../../base/files/remove-tree.ts';

/** After the name of a directory for temporary files: a former one, which is being removed. */
const FORMER = '.former-';

/**
 * Creates the directories of a process: that of its data, and an empty one for temporary files.
 *
 * A process can leave any number of files, and directories of any mode and depth. So the former directory is renamed, and
 * removed in the background.
 */
export function prepareDirectories({
  dataDir,
  temporaryDir,
}: {
  dataDir: string;
  temporaryDir: string;
}): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  if (!isEmpty(temporaryDir) && !moveAway(temporaryDir)) empty(temporaryDir);
  mkdirSync(temporaryDir, { recursive: true, mode: 0o700 });
  const parent = dirname(temporaryDir);
  for (const name of readdirSync(parent)) {
    if (name === basename(temporaryDir) || !isTemporary(name, temporaryDir)) continue;
    // What cannot be removed now is removed at the next start.
    void removeTree(join(parent, name)).catch(() => {});
  }
}

/** Whether an entry of a directory contains temporary files, also former ones that are being removed. */
export function isTemporary(name: string, temporaryDir: string): boolean {
  const temporary = basename(temporaryDir);
  return name === temporary || name.startsWith(`${temporary}${FORMER}`);
}

function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** False for a link to another disk, a mount point, and a lower layer of an overlay. They are emptied in their place. */
function moveAway(directory: string): boolean {
  if (lstatSync(directory).isSymbolicLink()) return false;
  try {
    renameSync(directory, `${directory}${FORMER}${randomUUID()}`);
    return true;
  } catch (error) {
    if (CANNOT_MOVE.has(systemErrorCode(error))) return false;
    throw error;
  }
}

function empty(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true, force: true });
}
