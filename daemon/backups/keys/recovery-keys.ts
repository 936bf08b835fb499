import { FathomError, messageOf } from '../../../shared/errors.ts';
import { KeyedMutex } from '../../base/keyed-mutex.ts';
import { createRecoveryKey, recoveryKeyId } from './recovery-key.ts';

export interface RecoveryKeysDeps {
  /** Reads the public half; null without one. */
  read: () => Promise<string | null>;
  /** Stores the public half. */
  store: (publicText: string) => Promise<void>;
  /** Wraps the keys of the backups for it. */
  use: () => Promise<void>;
}

/** Creates the recovery key of this host, which is shown once. The host keeps the public half only. */
export class RecoveryKeys {
  readonly #deps: RecoveryKeysDeps;
  readonly #turn = new KeyedMutex();

  constructor(deps: RecoveryKeysDeps) {
    this.#deps = deps;
  }

  /** @throws FathomError `conflict` when there is one, and `replace` is not set */
  create({
    replace,
  }: {
    replace: boolean;
  }): Promise<{ recovery_key: string; key_id: string; problem: string | null }> {
    return this.#turn.run('key', async () => {
      const { read, store, use } = this.#deps;
      const before = await read();
      if (before !== null && !replace) {
        throw new FathomError(
          'conflict',
          `there is a recovery key (${recoveryKeyId(before)}), and only its holder can show it; if it is lost, create another with 'fathomd backups recovery-key --replace'`,
        );
      }
      const { privateText, publicText } = createRecoveryKey();
      await store(publicText);
      const problem = await use().then(
        () => null,
        (error: unknown) => messageOf(error),
      );
      return { recovery_key: privateText, key_id: recoveryKeyId(publicText), problem };
    });
  }
}
