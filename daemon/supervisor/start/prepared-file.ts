/**
 * The database file whose settings and migrations a start of this daemon has brought up to date: a process that takes the
 * place of one that crashed need not see to them again, as long as nothing but that one has written into it.
 */
export class PreparedFile {
  #identity: string | null = null;
  #left: string | null = null;

  /** How the run that crashed left it; null when the next start has to see to it. */
  get stamp(): string | null {
    return this.#left;
  }

  /** A process runs that was started on this file; null where that is not known. */
  startedOn(identity: string | null): void {
    this.#identity = identity;
    this.#left = null;
  }

  /** The process is gone by itself: whatever is written from now on is not from it. A backup, perhaps. */
  leftAs(file: { identity: string; stamp: string } | null): void {
    this.#left = file !== null && file.identity === this.#identity ? file.stamp : null;
    this.#identity = null;
  }

  /** Somebody asked for another process, or none. */
  forget(): void {
    this.startedOn(null);
  }
}
