import { closeSync, lstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { PhaseReasonCode } from '../../../../shared/reasons.ts';
import { isArchived } from '../../data/archived-file.ts';
import { findDamage } from '../../data/data-state.ts';
import { CANNOT_START, type Unavailable } from '../../sockets/unavailable.ts';
import { exitReason } from '../exit-reason.ts';
import type { ProcessExit, SpawnCommand } from './keeper-protocol.ts';

/** Why the process of a sleeping database is not started; null when it can be. */
export function startProblem({ file, sandbox: { dataDir } }: SpawnCommand): PhaseReasonCode | null {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return 'binary_missing';
  if (hasData(dataDir)) return findDamage(dataDir, '')?.code ?? null;
  // Only the daemon brings its files back.
  return isArchived(dataDir) ? 'archived' : 'data_dir_missing';
}

/** PocketBase would create a new, empty database in the place of a missing or empty one. */
function hasData(dataDir: string): boolean {
  const file = lstatSync(join(dataDir, 'data.db'), { throwIfNoEntry: false });
  return file !== undefined && (file.isSymbolicLink() || file.size > 0);
}

/** Bytes at the end of a log that show why a process ended. */
const TAIL_BYTES = 16 * 1024;

/** The length of a log before a start. */
export function logEnd({ logFile }: SpawnCommand): number {
  return statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
}

/** Why a process has ended before it accepted connections. @param logStart where its output begins */
export function reasonOfExit(exit: ProcessExit, command: SpawnCommand, logStart: number): PhaseReasonCode {
  return exitReason(exit, linesAfter(command.logFile, logStart), { name: '', kind: 'user' }).code;
}

function linesAfter(path: string, start: number): string[] {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = statSync(path);
      const buffer = Buffer.alloc(Math.min(Math.max(0, size - start), TAIL_BYTES));
      return buffer
        .subarray(0, readSync(file, buffer, 0, buffer.length, size - buffer.length))
        .toString()
        .trimEnd()
        .split('\n');
    } finally {
      closeSync(file);
    }
  } catch {
    // The exit itself is a reason too.
    return [];
  }
}

/** What clients get. The code is for the administrator whom they ask. */
export function cannotStart(code: PhaseReasonCode): Unavailable {
  return { code, message: CANNOT_START, retryAfterS: null };
}
