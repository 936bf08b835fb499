import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

/** What flock(1) answers when somebody else holds the lock. */
const CONFLICT = 1;

/**
 * The lock on one instance's directory. Node has no flock(2), so flock(1) takes it on a file that stays open here, and the
 * instance inherits that open file: the kernel frees the lock when neither of the two processes is there any more. An
 * instance that outlives the daemon goes on holding it.
 */
export class DataLock {
  readonly #path: string;
  #fd: number | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Takes the lock, or keeps it.
   *
   * @returns the file descriptor that the instance has to inherit; null when another process holds the lock
   * @throws the error of open(2), or when flock(1) is not there
   */
  async acquire(): Promise<number | null> {
    if (this.#fd !== null) return this.#fd;
    const fd = openSync(this.#path, 'a', 0o600);
    try {
      const helper = spawn('flock', ['--exclusive', '--nonblock', '3'], {
        stdio: ['ignore', 'ignore', 'ignore', fd],
      });
      const [code] = (await once(helper, 'exit')) as [number | null];
      if (code === 0) {
        this.#fd = fd;
        return fd;
      }
      closeSync(fd);
      if (code === CONFLICT) return null;
    } catch (error) {
      closeSync(fd);
      throw new Error('flock (package util-linux) could not be started; install it', { cause: error });
    }
    throw new Error(`flock (package util-linux) could not lock ${this.#path}`);
  }

  /** Lets go of it here; safe to call twice. A process that inherited it keeps it. */
  release(): void {
    if (this.#fd === null) return;
    closeSync(this.#fd);
    this.#fd = null;
  }
}
