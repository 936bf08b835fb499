import { stat, statfs } from 'node:fs/promises';

/** A file system that Fathom writes to. */
export interface DiskFacts {
  /** The settings whose directories are on it, with their paths. */
  directories: readonly { setting: string; path: string }[];
  /** Null when it cannot be read. */
  freeBytes: number | null;
  /** Free inodes; null when there is no limit, or it is unknown. */
  freeFiles: number | null;
}

/** The file systems of existing directories, each once, in the order of the directories. */
export async function readDisks(
  directories: readonly { setting: string; path: string }[],
): Promise<DiskFacts[]> {
  const devices = await Promise.all(
    directories.map(async (directory) => ({ directory, device: await readDevice(directory.path) })),
  );
  return Promise.all(
    [...Map.groupBy(devices, ({ device }) => device).values()].map(async (some) => {
      const sameDisk = some.map(({ directory }) => directory);
      return { directories: sameDisk, ...(await readFreeSpace(sameDisk[0]?.path ?? '/')) };
    }),
  );
}

/** A path that cannot be read counts as a separate device. */
async function readDevice(path: string): Promise<string> {
  return stat(path).then(
    ({ dev }) => String(dev),
    () => path,
  );
}

async function readFreeSpace(path: string): Promise<Pick<DiskFacts, 'freeBytes' | 'freeFiles'>> {
  try {
    const { bavail, bsize, files, ffree } = await statfs(path);
    // File systems that create inodes on demand report 0.
    return { freeBytes: bavail * bsize, freeFiles: files === 0 ? null : ffree };
  } catch {
    return { freeBytes: null, freeFiles: null };
  }
}
