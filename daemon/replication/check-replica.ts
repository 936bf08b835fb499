import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { programEnvironment } from './litestream-binary.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;
/** Each step of the plan is a line. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** Litestream's message when no file begins with the first change. */
export const NOTHING = 'no matching backup files available';
const GAP = /non-contiguous/;

/** `empty` when nothing can be restored, `gap` when changes in the middle are missing; null when it is whole or not known. */
export type ReplicaFault = 'empty' | 'gap' | null;

/** Asks Litestream for the files that a restore would read, without reading them. Never rejects. */
export async function checkReplica(binary: string, url: string): Promise<ReplicaFault> {
  try {
    await run(binary, ['restore', '-dry-run', '-o', '/dev/null/data.db', url], {
      env: programEnvironment(),
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return null;
  } catch (error) {
    // A target that is away is shown by its lag.
    const { stderr = '' } = error as { stderr?: string };
    if (stderr.includes(NOTHING)) return 'empty';
    return GAP.test(stderr) ? 'gap' : null;
  }
}

/** The problem of the first replica in which changes are missing; null without one. */
export function problemOfGaps(
  replicas: Iterable<{ name: string; hasGap: boolean }>,
): { text: string; remedy: string } | null {
  const found = [...replicas].find(({ hasGap }) => hasGap);
  if (!found) return null;
  return {
    text: `changes are missing in the replica of ${found.name}: times after them cannot be restored`,
    remedy: `run 'fathomd backups create ${found.name}'; Litestream stores the whole database within a day, and later times can be restored then`,
  };
}
