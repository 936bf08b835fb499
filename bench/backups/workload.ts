/** What benchmarks of backups have in common. */
import { statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { execa } from 'execa';

/** The full size is 200 and 5120, see CONTRIBUTING.md. */
export const DATABASES = Number(process.env['BENCH_BACKUP_DATABASES'] ?? 20);
export const MEGABYTES = Number(process.env['BENCH_BACKUP_MB'] ?? 200);
export const ROUNDS = Number(process.env['BENCH_BACKUP_ROUNDS'] ?? 3);
/** As in BACKUP_PARALLEL. */
export const PARALLEL = Math.min(2, availableParallelism());
/** As that of the daemon's processes. */
export const NICENESS = 5;
export const MIB = 1024 * 1024;
/** Of the data: copies, two targets, and two restores. */
const SPACE_FACTOR = 6;

export async function requireSpace(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize > MEGABYTES * MIB * SPACE_FACTOR) return;
  throw new Error(
    `${directory} needs ${MEGABYTES * SPACE_FACTOR} MiB of free space; set TMPDIR or BENCH_BACKUP_MB`,
  );
}

/** What was written before goes to the disk first. */
export async function secondsOf(work: () => Promise<void>): Promise<number> {
  await execa('sync');
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** Of a restore, until the disk has all that it wrote. restic leaves this to the system. */
export function restoreSeconds(restore: () => Promise<void>): Promise<number> {
  return secondsOf(async () => {
    await restore();
    await execa('sync');
  });
}
