import { stat, statfs } from 'node:fs/promises';

/** A file system that Fathom writes to. */
export interface DiskFacts {
  /** The settings whose directories lie on it, with their paths. */
  places: readonly { setting: string; path: string }[];
  /** Null when it cannot be read. */
  freeBytes: number | null;
  /** Files that can still be made; null where there is no limit, or none that is known. */
  freeFiles: number | null;
}

/** The file systems of some directories that exist, each once, in the order of the directories. */
export async function diskFacts(places: readonly { setting: string; path: string }[]): Promise<DiskFacts[]> {
  const devices = await Promise.all(
    places.map(async (place) => ({ place, device: await deviceOf(place.path) })),
  );
  return Promise.all(
    [...Map.groupBy(devices, ({ device }) => device).values()].map(async (some) => {
      const on = some.map(({ place }) => place);
      return { places: on, ...(await freeOf(on[0]?.path ?? '/')) };
    }),
  );
}

/** A path that cannot be read counts as a device of its own. */
async function deviceOf(path: string): Promise<string> {
  return stat(path).then(
    ({ dev }) => String(dev),
    () => path,
  );
}

async function freeOf(path: string): Promise<Pick<DiskFacts, 'freeBytes' | 'freeFiles'>> {
  try {
    const { bavail, bsize, files, ffree } = await statfs(path);
    // Some file systems make inodes as they need them, and say 0.
    return { freeBytes: bavail * bsize, freeFiles: files === 0 ? null : ffree };
  } catch {
    return { freeBytes: null, freeFiles: null };
  }
}
