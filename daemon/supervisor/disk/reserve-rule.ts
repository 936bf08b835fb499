const MIB = 1024 * 1024;
/** With less free space, writes begin to fail. */
const FULL_BYTES = 16 * MIB;
/** The most of a disk that is reserved. */
const MAX_SHARE = 0.05;
/** Multiples of the reserve. Below the first, databases are held; from the second on, they are not. */
const HOLD_BELOW = 1.5;
const RESUME_FROM = 1.75;
/** Other work stops before databases are held. */
const SPARE = 2;

/** Files that a file system can still create (inodes) below which databases are held, and from which on they are not. */
const FEW_FILES = 20_000;
const MAX_FILE_SHARE = 0.05;
const RESUME_FILES = 1.25;

/** More than a disk fills in a second. */
const MAX_RATE = 512 * MIB;
const MIN_WAIT_MS = 500;
/** Some programs reserve gigabytes at once. */
const MAX_WAIT_MS = 2_000;

export interface DiskReading {
  freeBytes: number;
  /** Size of the reserve file; 0 without one. */
  fileBytes: number;
  /** Size that it should have. */
  reserveBytes: number;
  /** Files that can still be created, and the number that the file system can have; 0 where it has no such limit. */
  freeFiles: number;
  maxFiles: number;
}

export interface ReserveStep {
  /** Databases that write are held. */
  isHeld: boolean;
  file: 'keep' | 'create' | 'release';
  waitMs: number;
}

/** @param settingBytes DISK_RESERVE_MB */
export function reserveBytesOf(settingBytes: number, diskBytes: number): number {
  return Math.min(settingBytes, Math.floor(diskBytes * MAX_SHARE));
}

/** What other work leaves free on the disk, so that it is never the cause of a hold. The reserve file counts as free. */
export function spareBytesOf({
  reserveBytes,
  fileBytes,
}: Pick<DiskReading, 'reserveBytes' | 'fileBytes'>): number {
  return Math.max(0, reserveBytes * SPARE - fileBytes);
}

/**
 * Decides what happens at a free space. The reserve file counts as free, so that its creation and release change nothing else.
 */
export function nextReserveStep(
  { freeBytes, fileBytes, reserveBytes, freeFiles, maxFiles }: DiskReading,
  wasHeld: boolean,
): ReserveStep {
  const total = freeBytes + fileBytes;
  const fewFiles = reserveBytes === 0 ? 0 : Math.min(FEW_FILES, maxFiles * MAX_FILE_SHARE);
  const isHeld =
    total < reserveBytes * (wasHeld ? RESUME_FROM : HOLD_BELOW) ||
    freeFiles < fewFiles * (wasHeld ? RESUME_FILES : 1);
  const isFull = freeBytes < Math.min(FULL_BYTES, reserveBytes / 4);
  const isWrong = fileBytes !== reserveBytes;
  const file =
    fileBytes > 0 && (isFull || (isWrong && reserveBytes < fileBytes))
      ? 'release'
      : isWrong && !isHeld
        ? 'create'
        : 'keep';
  const room = total - reserveBytes * HOLD_BELOW;
  const waitMs = Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, (room / MAX_RATE) * 1000));
  return { isHeld, file, waitMs: isHeld ? MIN_WAIT_MS : waitMs };
}
