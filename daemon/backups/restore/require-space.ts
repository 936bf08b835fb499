import { statfs } from 'node:fs/promises';
import { byteSize } from '../../../shared/byte-size.ts';
import { FathomError } from '../../../shared/errors.ts';
import { reserveBytesOf } from '../../supervisor/disk/reserve-rule.ts';

/** Of a database that fits exactly, SQLite still needs some for its WAL. */
const SPARE_BYTES = 16 * 1024 * 1024;

/**
 * Requires space for a backup, and as much as the disk reserve.
 *
 * @param settingBytes DISK_RESERVE_MB
 * @param next what to do when there is space
 * @throws FathomError `backup.failed`
 */
export async function requireSpace(
  directory: string,
  { bytes, id }: { bytes: number; id: string },
  settingBytes: number,
  next = 'restore it again',
): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(directory);
  const missing = bytes + SPARE_BYTES + reserveBytesOf(settingBytes, blocks * bsize) - bavail * bsize;
  if (missing <= 0) return;
  throw new FathomError(
    'backup.failed',
    `the disk of ${directory} has no space for the backup ${id}; free ${byteSize(missing)} more, then ${next}`,
  );
}

/** @param limit the disk limit of the database; null without one @throws FathomError `backup.failed` */
export function requireWithinLimit(bytes: number, limit: number | null): void {
  if (limit === null || bytes <= limit) return;
  throw new FathomError(
    'backup.failed',
    `the archive has ${byteSize(bytes)}, and the disk limit of the database is ${byteSize(limit)}; raise it by 'fathomd databases set'`,
  );
}
