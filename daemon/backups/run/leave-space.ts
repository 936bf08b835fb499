import { stat, statfs } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { byteSize } from '../../../shared/byte-size.ts';
import { unlessMissing } from '../../base/files/dir.ts';
import type { Target } from '../targets/target.ts';

/** Space that stays free on the disk of a directory, in bytes. */
export interface DiskSpace {
  directory: string;
  bytes: number;
}

/**
 * A target that refuses to store parts which would take space that the databases of the host need. A target on another disk
 * stays as it is.
 *
 * @param url BACKUP_TARGET
 */
export async function leaveSpace(
  target: Target,
  url: string,
  { directory, bytes }: DiskSpace,
): Promise<Target> {
  if (bytes === 0 || !isAbsolute(url) || (await diskOf(url)) !== (await diskOf(directory))) return target;
  const requireFor = (objects: readonly { content: Uint8Array }[]) =>
    requireSpace({ directory, bytes: objects.reduce((sum, { content }) => sum + content.length, bytes) });
  return {
    async put(key, content) {
      await requireFor([{ content }]);
      await target.put(key, content);
    },
    async putAll(objects) {
      await requireFor(objects);
      await target.putAll(objects);
    },
    get: (key) => target.get(key),
    has: (key) => target.has(key),
    list: (prefix) => target.list(prefix),
    delete: (key) => target.delete(key),
    erase: (key) => target.erase(key),
    eraseAll: (prefix) => target.eraseAll(prefix),
    removeUnfinished: (prefix, before) => target.removeUnfinished(prefix, before),
  };
}

/** @throws an Error with the code ENOSPC */
async function requireSpace({ directory, bytes }: DiskSpace): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw Object.assign(
    new Error(
      `the backup was ended: the target is on the disk of ${directory}, which has ${byteSize(free)} left for the databases; use a target on another disk`,
    ),
    { code: 'ENOSPC' },
  );
}

/** The number of the disk of a path; of its parent when it does not exist yet. */
async function diskOf(path: string): Promise<number> {
  const stats = await stat(path).catch(unlessMissing);
  return stats?.dev ?? diskOf(dirname(path));
}
