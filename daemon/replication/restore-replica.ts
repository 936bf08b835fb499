import { execFile } from 'node:child_process';
import { chmod, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { FathomError } from '../../shared/errors.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { Clock } from '../base/time/clock.ts';
import { findByEnvironment, isAlive } from '../pocketbase/process/procfs.ts';
import { NOTHING } from './check-replica.ts';
import { programEnvironment } from './litestream-binary.ts';
import { describeFailure, outputOf } from './litestream-error.ts';

const run = promisify(execFile);
/** Several GB from a target that is far away. */
const TIMEOUT_MS = 3_600_000;
const LOOK_EVERY_MS = 50;
/** In the environment of a restore: the data directory of the daemon that has begun it. */
const DATA_DIR_VARIABLE = 'FATHOM_RESTORES_FOR';

/**
 * Restores a replica as it was at a time, or its last state, and reads all of the result (`PRAGMA integrity_check`).
 *
 * @throws FathomError `not_found`, `backup.failed`
 */
export async function restoreReplica({
  binary,
  url,
  dataDir,
  name,
  at,
  file,
  signal,
}: {
  binary: string;
  url: string;
  dataDir: string;
  name: string;
  /** Null for the last state. */
  at: Date | null;
  file: string;
  signal: AbortSignal;
}): Promise<void> {
  const time = at?.toISOString() ?? null;
  // With a URL, Litestream refuses a time after the last change.
  const config = `${dirname(file)}.litestream.yml`;
  await replaceFile(config, JSON.stringify({ dbs: [{ path: file, replica: { url } }] }), {
    mode: 0o600,
    synced: false,
  });
  const options = ['-config', config, '-no-expand-env', '-integrity-check', 'full'];
  if (time !== null) options.push('-timestamp', time);
  try {
    await run(binary, ['restore', ...options, file], {
      env: { ...programEnvironment(), [DATA_DIR_VARIABLE]: dataDir },
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    const text = outputOf(error);
    // A replica that does not reach so far back has nothing of before either.
    if (text.includes(NOTHING))
      throw new FathomError(
        'not_found',
        time === null
          ? `the replica of ${name} is empty; restore a backup`
          : `the replica of ${name} has nothing of ${time}: it begins later, or keeps it no more; restore a backup`,
        { cause: error },
      );
    throw new FathomError(
      'backup.failed',
      `${name} was not restored and is as before: ${describeFailure(text)}`,
      { cause: error },
    );
  } finally {
    await rm(config, { force: true });
  }
  for (const suffix of ['-wal', '-shm']) await rm(`${file}${suffix}`, { force: true });
  await chmod(file, 0o600);
}

/** Ends the restores of a daemon that was killed: they would write where the next restore of the database does. */
export async function endFormerRestores(dataDir: string, clock: Clock): Promise<number[]> {
  const found = await findByEnvironment(DATA_DIR_VARIABLE, dataDir);
  for (const { pid } of found) process.kill(pid, 'SIGKILL');
  while (found.some(({ pid, startTime }) => isAlive(pid, startTime))) await clock.sleep(LOOK_EVERY_MS);
  return found.map(({ pid }) => pid);
}
