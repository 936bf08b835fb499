import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { FathomError, messageOf } from '../../../shared/errors.ts';

/**
 * Runs `work` while this process holds a lock on the file `path`. The file is created when missing and left behind:
 * removing it would race with the processes that wait for the lock. Node has no flock(2), so flock(1) holds the lock
 * while it runs `cat`. `cat` ends when its input closes, so the lock ends with this process.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const holder = spawn('flock', ['-x', path, 'cat'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const stderr = text(holder.stderr);
  // A broken pipe must not become an uncaught error; the exit is awaited below.
  holder.stdin.on('error', () => {});
  const exited = once(holder, 'close').then(
    async ([code]) => cannotLock(path, `flock exited with ${String(code)}: ${(await stderr).trim()}`),
    (error: unknown) => cannotLock(path, messageOf(error)),
  );
  try {
    // `cat` echoes this once flock has the lock.
    holder.stdin.write('locked\n');
    const failure = await Promise.race([once(holder.stdout, 'data').then(() => null), exited]);
    if (failure !== null) throw failure;
    return await work();
  } finally {
    holder.stdin.end();
    await exited;
  }
}

function cannotLock(path: string, detail: string): FathomError {
  const remedy = `install the command 'flock' (package util-linux) and make the directory writable`;
  return new FathomError('data_dir.unusable', `cannot lock ${path} (${detail}); ${remedy}`);
}
