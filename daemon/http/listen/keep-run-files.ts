import { messageOf } from '../../../shared/errors.ts';
import type { DataDirLock } from '../../base/files/data-dir-lock.ts';
import { makePrivateDir } from '../../base/files/dir.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { repeat } from '../../base/time/repeat.ts';
import type { LocalSocket } from './listen.ts';

const CHECK_EVERY_MS = 2_000;

export interface RunFiles {
  directory: string;
  lock: Pick<DataDirLock, 'restorePidFile'>;
  socket: Pick<LocalSocket, 'restore'>;
}

/** Restores the local socket and the PID file when a cleaner of temporary directories has removed them. */
export function keepRunFiles(
  { directory, lock, socket }: RunFiles,
  { clock, log }: { clock: Clock; log: Logger },
): () => Promise<void> {
  let lastProblem: string | null = null;
  return repeat(clock, CHECK_EVERY_MS, async () => {
    try {
      await makePrivateDir(directory);
      lock.restorePidFile();
      if (await socket.restore()) log.warn('the file of the local socket was removed; it was created again');
      lastProblem = null;
    } catch (error) {
      const message = messageOf(error);
      // The same problem is logged once, not every two seconds.
      if (message !== lastProblem)
        log.error({ err: error }, 'the local socket or the PID file cannot be restored');
      lastProblem = message;
    }
  });
}
