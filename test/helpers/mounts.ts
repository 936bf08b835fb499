import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { getuid } from 'node:process';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { scratch } from './scratch.ts';

/** Mounting is for root; the title of a test that needs it says so where it is skipped. */
export const mayMount = getuid?.() === 0;

/** Mounts an empty file system over a directory until the end of the test; `megabytes` is its size. */
export async function mountTmpfs(directory: string, megabytes: number): Promise<void> {
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', directory]);
  // Lazily: a test that failed may have left something running on it.
  onTestFinished(async () => {
    await execa('umount', ['--lazy', directory]);
  });
}

/** An overlay whose lower layer `fill` makes, as that of a container image is; gone at the end of the test. */
export async function mountOverlay(
  fill: (directory: string) => Promise<void>,
): Promise<{ lower: string; merged: string }> {
  // Its layers have to lie on a file system that is no overlay itself.
  const root = await scratch();
  await mountTmpfs(root, 16);
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) =>
    join(root, name),
  ) as [string, string, string, string];
  for (const directory of [lower, upper, work, merged]) await mkdir(directory);
  await fill(lower);
  const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await execa('mount', ['-t', 'overlay', '-o', layers, 'overlay', merged]);
  onTestFinished(async () => {
    await execa('umount', ['--lazy', merged]);
  });
  return { lower, merged };
}

/** An ext4 of its own over a directory, gone at the end of the test. @param options of mkfs.ext4 */
export async function mountExt4(directory: string, megabytes: number, options: readonly string[] = []) {
  const image = join(await scratch(), 'ext4.img');
  await writeFile(image, '');
  await truncate(image, megabytes * 1024 * 1024);
  await execa('mkfs.ext4', ['-q', ...options, image]);
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
    repair: async () => {
      await execa('umount', [directory]);
      await execa('e2fsck', ['-f', '-y', image], { reject: false });
      await mount();
    },
  };
}
