import { statfs } from 'node:fs/promises';

export interface NetworkDisk {
  path: string;
  /** Type of the file system, as in mount(8). */
  type: string;
}

/** Source: linux/magic.h; statfs(2). FUSE is not listed: it can be local (mergerfs) or remote (sshfs). */
const TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smbfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb3'],
  [0x65735546, 'fuse'],
  [0x01021997, '9p'],
  [0x00c36400, 'ceph'],
  [0x5346414f, 'afs'],
  [0x0bd00bd0, 'lustre'],
]);

/** The name of a network file system; null for other file systems. */
export function networkType(magic: number): string | null {
  // The number is signed on some platforms.
  return TYPES.get(magic >>> 0) ?? null;
}

/** The paths that are on a network file system. */
export async function findNetworkDisks(paths: readonly string[]): Promise<NetworkDisk[]> {
  const disks = await Promise.all(
    [...new Set(paths)].map(async (path) => {
      const type = await statfs(path).then(
        (disk) => networkType(disk.type),
        () => null,
      );
      return type === null ? [] : [{ path, type }];
    }),
  );
  return disks.flat();
}
