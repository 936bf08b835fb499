import { randomUUID } from 'node:crypto';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { WrittenSettings } from '../../config/backups.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import { recoveryKeyId } from '../keys/recovery-key.ts';
import type { BackupProcesses } from '../run/backup-processes.ts';
import type { WrappingKeys } from '../run/backup-work.ts';
import type { TargetWriter } from '../run/target-identity.ts';
import type { BackupHost } from './backup-host.ts';
import type { BackupState } from './backup-state.ts';

/** The target is checked again after this time. */
const PREPARED_MS = 60_000;

export interface PreparedTargetDeps {
  /** BACKUP_TARGET */
  url: string;
  /** The identity of this host. */
  readHost: () => Promise<BackupHost>;
  masters: MasterKeys;
  /** Reads the public half of the recovery key; null without one. */
  readRecoveryKey: () => Promise<string | null>;
  settings: { readonly written: WrittenSettings };
  state: BackupState;
  processes: BackupProcesses;
  clock: Clock;
  log: Logger;
}

/** What work on the target needs. */
export interface TargetUse {
  keys: WrappingKeys;
  place: { target: string; writer: TargetWriter };
}

/** The target after its check: it is the one of this host, and its wrapped keys and escrow are up to date. */
export class PreparedTarget {
  readonly #deps: PreparedTargetDeps;
  readonly #preparing = new SingleFlight<TargetUse>();
  readonly #daemon = randomUUID();
  /** This daemon has not used the target yet. */
  #isFirst = true;
  #prepared: { use: TargetUse; untilMs: number } | null = null;
  #hasRecoveryKey: boolean | null = null;

  constructor(deps: PreparedTargetDeps) {
    this.#deps = deps;
  }

  /** Null while it is unknown. */
  get hasRecoveryKey(): boolean | null {
    return this.#hasRecoveryKey;
  }

  /** Looks whether there is a recovery key. */
  async load(): Promise<void> {
    const { readRecoveryKey, log } = this.#deps;
    try {
      this.#hasRecoveryKey = (await readRecoveryKey()) !== null;
    } catch (error) {
      log.warn(`cannot read the recovery key of backups: ${messageOf(error)}`);
    }
  }

  /** Checks the target, if it was not checked just now. @throws BackupFailed */
  use(): Promise<TargetUse> {
    return this.#preparing.run('target', async () => {
      const { clock } = this.#deps;
      if (this.#prepared && this.#prepared.untilMs > clock.monotonic()) return this.#prepared.use;
      const use = await this.#prepare();
      this.#prepared = { use, untilMs: clock.monotonic() + PREPARED_MS };
      return use;
    });
  }

  /** The next work checks the target again. */
  forget(): void {
    this.#prepared = null;
  }

  /** Wraps all keys for another recovery key, and stores the escrow for it. @throws BackupFailed */
  async useRecoveryKey(): Promise<void> {
    this.#hasRecoveryKey = true;
    this.forget();
    // One that began before would use the former key.
    await this.#preparing.settled('target');
    this.forget();
    await this.use();
  }

  /** Call it after a backup: it may have wrapped its key for the keys before. */
  noteUse(keys: WrappingKeys): void {
    const { state } = this.#deps;
    if (state.wrappedFor === null || state.wrappedFor === wrappedForOf(keys)) return;
    state.forgetWrapping();
    this.forget();
  }

  async #prepare(): Promise<TargetUse> {
    const { url, readHost, masters, readRecoveryKey, settings, state, processes, log } = this.#deps;
    const host = await readHost();
    const writer = { host: host.id, daemon: this.#daemon };
    const recovery = await readRecoveryKey();
    this.#hasRecoveryKey = recovery !== null;
    const keys = { masters, recovery };
    const wrappedFor = wrappedForOf(keys);
    const rewrap = state.wrappedFor !== wrappedFor;
    const { targetId, unusable, escrow } = await processes.run(
      {
        kind: 'prepare',
        target: url,
        claim: {
          ...writer,
          isFirst: this.#isFirst,
          restoredFrom: host.restored_from,
          expected: state.targetId,
          isAccepted: state.isTargetAccepted,
        },
        keys,
        secrets: settings.written.secret,
        rewrap,
      },
      { isUrgent: true },
    );
    this.#isFirst = false;
    state.updateTarget(targetId, wrappedFor);
    if (escrow !== null) state.updateEscrow({ escrow_sha256: escrow });
    if (rewrap) {
      state.updateUnusableKeys(unusable);
      for (const { database, problem } of unusable)
        log.error({ database }, `the key of the backups of ${database} cannot be used: ${problem}`);
    }
    return { keys, place: { target: url, writer } };
  }
}

/** Ids of the keys for which the keys of backups are wrapped. */
function wrappedForOf({ masters, recovery }: WrappingKeys): string {
  return `${masters[0].id} ${recovery === null ? 'none' : recoveryKeyId(recovery)}`;
}
