/**
 * Remembers the database file whose settings and migrations a start has updated. A process that replaces a crashed one
 * skips these steps, as long as no other process has written to the file.
 */
export class PreparedFile {
  #identity: string | null = null;
  #stamp: string | null = null;

  /** The stamp of the file after the crash; null when the next start has to prepare the file. */
  get stamp(): string | null {
    return this.#stamp;
  }

  /** Records that a process runs on this file; null when the file is unknown. */
  recordStart(identity: string | null): void {
    this.#identity = identity;
    this.#stamp = null;
  }

  /** Records the file after an unexpected exit. A later change, for example by a restore, changes its stamp. */
  recordExit(file: { identity: string; stamp: string } | null): void {
    this.#stamp = file !== null && file.identity === this.#identity ? file.stamp : null;
    this.#identity = null;
  }

  /** Makes the next start prepare the file. */
  reset(): void {
    this.recordStart(null);
  }
}
