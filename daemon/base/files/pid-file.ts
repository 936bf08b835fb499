import { readRegularFile } from '../../../shared/regular-file.ts';

const MAX_BYTES = 64;

/** The number in a PID file. Null when the file is missing, cannot be read, or contains anything else. */
export function readPid(path: string): number | null {
  try {
    const pid = Number(readRegularFile(path, { maxBytes: MAX_BYTES }).text);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}
