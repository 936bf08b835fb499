import { truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { getuid } from 'node:process';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { scratch } from './scratch.ts';

/** Mounting is for root; the title of a test that needs it says so where it is skipped. */
export const mayMount = getuid?.() === 0;

/** An empty file system of so many megabytes over a directory, gone at the end of the test. */
export async function mountTmpfs(directory: string, megabytes: number): Promise<void> {
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', directory]);
  // Lazily: a test that failed may have left something running on it.
  onTestFinished(async () => {
    await execa('umount', ['--lazy', directory]);
  });
}

/** An ext4 of its own over a directory, gone at the end of the test. */
export async function mountExt4(directory: string, megabytes: number) {
  const image = join(await scratch(), 'ext4.img');
  await writeFile(image, '');
  await truncate(image, megabytes * 1024 * 1024);
  await execa('mkfs.ext4', ['-q', image]);
  const mount = () => execa('mount', ['-o', 'loop,errors=remount-ro', image, directory]);
  await mount();
  onTestFinished(async () => {
    await execa('umount', ['--lazy', directory]);
  });
  return {
    /** What the kernel does when it finds an error: it turns read-only, also for files that are open. */
    fail: async () => {
      // What was not written by then is gone, as after a power failure.
      await execa('sync', ['--file-system', directory]);
      const { stdout } = await execa('findmnt', ['--noheadings', '--output', 'SOURCE', directory]);
      await writeFile(`/sys/fs/ext4/${basename(stdout.trim())}/trigger_fs_error`, 'a test');
    },
    /** What an administrator does then. */
    mend: async () => {
      await execa('umount', [directory]);
      await execa('e2fsck', ['-f', '-y', image], { reject: false });
      await mount();
    },
  };
}
