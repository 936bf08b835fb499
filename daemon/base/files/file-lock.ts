import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { FathomError, messageOf } from '../../../shared/errors.ts';

/**
 * Runs `work` while holding a lock of the kernel's on `path` (created when missing, and left behind: removing a lock
 * file races with whoever waits for it). Node has no flock(2), so flock(1) holds it around a `cat`, which ends when
 * its input does: however this process dies, the lock goes with it.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const holder = spawn('flock', ['-x', path, 'cat'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const complaint = text(holder.stderr);
  // Its end is awaited below; a broken pipe must not surface as an uncaught error before that.
  holder.stdin.on('error', () => {});
  const exited = once(holder, 'close').then(
    async ([code]) => unusable(path, `flock exited with ${String(code)}: ${(await complaint).trim()}`),
    (error: unknown) => unusable(path, messageOf(error)),
  );
  try {
    // cat echoes only once flock has let it start.
    holder.stdin.write('locked\n');
    const failure = await Promise.race([once(holder.stdout, 'data').then(() => null), exited]);
    if (failure !== null) throw failure;
    return await work();
  } finally {
    holder.stdin.end();
    await exited;
  }
}

function unusable(path: string, detail: string): FathomError {
  const next = `the command 'flock' (package util-linux) must be installed and its directory writable`;
  return new FathomError('data_dir.unusable', `${path} cannot be locked (${detail}); ${next}`);
}
