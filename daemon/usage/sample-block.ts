/** Samples of several databases at one time, as they are stored. */

/** The databases of a block. Two blocks fill a page of SQLite. */
export const BLOCK_DATABASES = 120;
const BYTES = 16;
const [DISK, MEMORY, CPU, CPU_COUNT, MINUTE] = [0, 4, 8, 12, 14];
const NO_MINUTE = 0xffff;
const MAX_COUNT = 0xffff;

/** Usage that was read in a period. */
export interface BlockSample {
  /** Minutes from the begin of the period to the last reading. */
  minute: number;
  /** The last size; null when it was not read. */
  diskBytes: number | null;
  /** The most memory. */
  memoryBytes: number | null;
  /** Mean, in percent of one core. */
  cpuPercent: number | null;
  /** Readings in the mean. */
  cpuCount: number;
}

/** All bits set: no minute, and numbers that are no numbers. */
export function emptyBlock(): Uint8Array {
  return new Uint8Array(BLOCK_DATABASES * BYTES).fill(0xff);
}

/** Null without a sample, and beyond the end of a damaged block. */
export function readSample(block: Uint8Array, index: number): BlockSample | null {
  const from = index * BYTES;
  if (block.byteLength < from + BYTES) return null;
  const view = new DataView(block.buffer, block.byteOffset + from, BYTES);
  const minute = view.getUint16(MINUTE, true);
  if (minute === NO_MINUTE) return null;
  const cpuPercent = orNull(view.getFloat32(CPU, true));
  return {
    minute,
    diskBytes: orNull(view.getFloat32(DISK, true)),
    memoryBytes: orNull(view.getFloat32(MEMORY, true)),
    cpuPercent,
    cpuCount: cpuPercent === null ? 0 : view.getUint16(CPU_COUNT, true),
  };
}

/** Adds what was read later to the sample of a database. */
export function addSample(block: Uint8Array, index: number, sample: BlockSample): void {
  const before = readSample(block, index);
  const after = before === null ? sample : merge(before, sample);
  const view = new DataView(block.buffer, block.byteOffset + index * BYTES, BYTES);
  view.setFloat32(DISK, after.diskBytes ?? Number.NaN, true);
  view.setFloat32(MEMORY, after.memoryBytes ?? Number.NaN, true);
  view.setFloat32(CPU, after.cpuPercent ?? Number.NaN, true);
  view.setUint16(CPU_COUNT, Math.min(MAX_COUNT, after.cpuCount), true);
  view.setUint16(MINUTE, Math.min(NO_MINUTE - 1, Math.max(0, after.minute)), true);
}

export function clearSample(block: Uint8Array, index: number): void {
  block.fill(0xff, index * BYTES, (index + 1) * BYTES);
}

function merge(before: BlockSample, after: BlockSample): BlockSample {
  const count = before.cpuCount + after.cpuCount;
  const cpuSum = (before.cpuPercent ?? 0) * before.cpuCount + (after.cpuPercent ?? 0) * after.cpuCount;
  const memory = [before.memoryBytes, after.memoryBytes].filter((bytes) => bytes !== null);
  return {
    minute: Math.max(before.minute, after.minute),
    diskBytes: after.diskBytes ?? before.diskBytes,
    memoryBytes: memory.length === 0 ? null : Math.max(...memory),
    cpuPercent: count === 0 ? null : cpuSum / count,
    cpuCount: count,
  };
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
