import {
  bindLocalState,
  forgetFrames,
  hasContinued,
  readContinuity,
  readPosition,
  type WalPosition,
} from './local-state.ts';

/** Whole databases after an unclean end of Litestream, at the same time. */
const MAX_WHOLE = 4;

/** How Litestream begins with a database. */
export interface Beginning {
  /** Where it goes on, until it is seen that nothing is missing. Null when the whole database is stored. */
  continuesFrom: WalPosition | null;
  /** The whole database is stored, because changes may be missing. */
  isWhole: boolean;
}

/**
 * Makes Litestream store the whole of a database of which changes may be missing in the replica, see `readContinuity`. Paths
 * are those of `data.db`.
 */
export class Continuity {
  /** Those whose next registration stores the whole database. */
  readonly #unproven = new Set<string>();

  noteUnproven(path: string): void {
    this.#unproven.add(path);
  }

  isUnproven(path: string): boolean {
    return this.#unproven.has(path);
  }

  /** Forgets those that do not exist any more. */
  keepOnly(known: ReadonlySet<string>): void {
    for (const path of this.#unproven) if (!known.has(path)) this.#unproven.delete(path);
  }

  /**
   * Call it before a registration.
   *
   * @param replica its id
   * @param registered what Litestream has
   * @returns null when the database has to wait for others
   * @throws Error while another process reads or writes for long
   */
  async begin(
    path: string,
    replica: string,
    registered: Iterable<Beginning & { syncedAt: Date | null }>,
  ): Promise<Beginning | null> {
    if (await bindLocalState(path, replica)) this.#unproven.add(path);
    const position = await readPosition(path);
    const continuity = position === null ? 'whole' : await readContinuity(path, position);
    if (continuity === 'unproven') this.#unproven.add(path);
    if (!this.#unproven.has(path))
      return { continuesFrom: continuity === 'continues' ? position : null, isWhole: false };
    const storing = [...registered].filter(({ isWhole, syncedAt }) => isWhole && syncedAt === null);
    if (storing.length >= MAX_WHOLE) return null;
    forgetFrames(path);
    this.#unproven.delete(path);
    return { continuesFrom: null, isWhole: true };
  }

  /** Whether no changes are missing after a synchronization. */
  async isProven(path: string, beginning: Beginning): Promise<boolean> {
    const { continuesFrom } = beginning;
    if (continuesFrom !== null && !(await hasContinued(path, continuesFrom))) return false;
    beginning.continuesFrom = null;
    return true;
  }
}
