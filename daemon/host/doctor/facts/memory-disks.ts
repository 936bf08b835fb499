import { statfs } from 'node:fs/promises';
import { isAbsolute } from 'node:path';

/** tmpfs and ramfs. Source: linux/magic.h; statfs(2). */
const TYPES: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/**
 * The directory of a backup target that is in memory, while the data is on a disk; null for any other target.
 *
 * @param target as in BACKUP_TARGET
 * @param find the directory of a path, or its nearest parent that exists
 */
export async function findTargetInMemory(
  target: string,
  dataDir: string,
  find: (path: string) => Promise<string>,
): Promise<string | null> {
  if (!isAbsolute(target)) return null;
  const [isTarget, isData] = await Promise.all(
    [target, dataDir].map(async (path) => isInMemory(await find(path))),
  );
  return isTarget === true && isData === false ? target : null;
}

async function isInMemory(path: string): Promise<boolean | null> {
  return statfs(path).then(
    // The number is signed on some platforms.
    ({ type }) => TYPES.has(type >>> 0),
    () => null,
  );
}
