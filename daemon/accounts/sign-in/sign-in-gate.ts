/**
 * When accounts can sign in while the daemon starts. In a cluster, the restores of databases of a node that was lost take long,
 * and accounts with a database on another node do not need them.
 *
 * ```
 *   closed ── open(): the rows are known ──▶ open ── begin(): the databases here start ──▶ begun
 * ```
 */
export class SignInGate {
  #isOpen = false;
  readonly #begun = Promise.withResolvers<void>();

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves when the databases of this node start. Before, their files can be those of a former owner. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  open(): void {
    this.#isOpen = true;
  }

  begin(): void {
    this.#begun.resolve();
  }
}
