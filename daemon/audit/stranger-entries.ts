/** A day of this has about 70 MB. */
export const MAX_PER_MINUTE = 120;
const MINUTE_MS = 60_000;

/**
 * Limits the entries of failed sign-ins and sign-ups. Limits per account and address do not bound them in all, because
 * strangers can use many of both.
 */
export class StrangerEntries {
  #minute = 0;
  #count = 0;
  #omitted = 0;

  /** Returns the number of entries omitted before this one; null if this one is omitted. */
  take(now: Date): number | null {
    const minute = Math.floor(now.getTime() / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#count = 0;
    }
    if (this.#count >= MAX_PER_MINUTE) {
      this.#omitted += 1;
      return null;
    }
    this.#count += 1;
    const omitted = this.#omitted;
    this.#omitted = 0;
    return omitted;
  }
}
