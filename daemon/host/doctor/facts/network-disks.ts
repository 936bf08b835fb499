import { statfs } from 'node:fs/promises';

export interface NetworkDisk {
  path: string;
  /** Of the file system, as mount(8) calls it. */
  type: string;
}

/** Source: linux/magic.h; statfs(2). FUSE is left out, because it may be local (mergerfs) or not (sshfs). */
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

/** Null for one that is on the host's own disks, as far as is known. */
export function networkType(magic: number): string | null {
  // Signed on some platforms.
  return TYPES.get(magic >>> 0) ?? null;
}

/** Those of the paths that lie on the network. */
export async function networkDisks(paths: readonly string[]): Promise<NetworkDisk[]> {
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
