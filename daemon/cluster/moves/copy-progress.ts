import type { Clock } from '../../base/time/clock.ts';
import { directoryBytes } from '../../supervisor/disk/database-usage.ts';

const LOOK_EVERY_MS = 2_000;
/** It looks again after this many times the time that it took: a database can have many files. */
const SHARE = 20;
const MAX_WAIT_MS = 30_000;

/** Reports the bytes that work has written to a directory, with those that it has read, until it ends. */
export async function withProgress<T>(
  directory: string,
  { clock, note }: { clock: Clock; note: (bytes: number) => void },
  work: (noteRead: (bytes: number) => void) => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  let read = 0;
  const measure = async () => {
    while (!ended.signal.aborted) {
      const begun = clock.monotonic();
      // The work itself reports what is wrong with its files.
      const written = await directoryBytes(directory).catch(() => 0);
      if (!ended.signal.aborted) note(written + read);
      const took = clock.monotonic() - begun;
      await clock.sleep(Math.min(MAX_WAIT_MS, Math.max(LOOK_EVERY_MS, SHARE * took)), ended.signal);
    }
  };
  const measured = measure();
  try {
    return await work((bytes) => {
      read += bytes;
    });
  } finally {
    ended.abort();
    await measured;
  }
}
