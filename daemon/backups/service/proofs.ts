import type { Clock } from '../../base/time/clock.ts';
import type { WrittenSettings } from '../../config/backups.ts';
import type { EscrowCheck } from '../keys/escrow.ts';
import type { BackupProcesses } from '../run/backup-processes.ts';
import type { BackupState, DatabaseState, StoredDrill } from './backup-state.ts';
import { changeStamp } from './change-stamp.ts';
import type { PreparedTarget } from './prepared-target.ts';

/** Each database has a drill in four weeks. */
const PROVEN_FOR_MS = 35 * 86_400_000;

export interface ProofsDeps {
  state: BackupState;
  prepared: PreparedTarget;
  processes: BackupProcesses;
  settings: { readonly written: WrittenSettings };
  clock: Clock;
}

/** What drills have shown about the backups of each database. */
export class Proofs {
  readonly #deps: ProofsDeps;

  constructor(deps: ProofsDeps) {
    this.#deps = deps;
  }

  /** Expects drills from now on, unless it did before. */
  begin(): void {
    this.#deps.state.beginDrills(this.#deps.clock.now());
  }

  /** Since when drills are expected; null while they are off. */
  get since(): Date | null {
    return this.#deps.state.drillsSince;
  }

  note(name: string, drill: StoredDrill): void {
    const { backup, at, problem } = drill;
    this.#deps.state.update(name, { drill, ...(problem === null && { proven: { backup, at } }) });
  }

  /** Whether a database has backups, and none of them was proven for five weeks. */
  isUnproven({ last, proven, backed_up_since }: DatabaseState): boolean {
    const { state, clock } = this.#deps;
    if (last === null || state.drillsSince === null) return false;
    const since = Math.max(Date.parse(proven?.at ?? backed_up_since ?? '') || 0, state.drillsSince.getTime());
    return clock.now().getTime() - since > PROVEN_FOR_MS;
  }

  /** Whether a backup was proven in the last five weeks. */
  hasProof({ proven }: DatabaseState): boolean {
    return proven !== null && this.#deps.clock.now().getTime() - Date.parse(proven.at) <= PROVEN_FOR_MS;
  }

  /** Whether a database has not changed since a backup, so that both can be compared. */
  isUnchanged({ name, dataDir }: { name: string; dataDir: string }, backup: string): boolean {
    const { state, clock } = this.#deps;
    const { last, stamp } = state.of(name);
    return last?.id === backup && stamp !== null && changeStamp(dataDir, clock.now())?.stamp === stamp;
  }

  /** @throws BackupFailed when the target is not there, or is the one of another host */
  async requireTarget(): Promise<void> {
    const { prepared } = this.#deps;
    prepared.forget();
    await prepared.use();
  }

  /**
   * Call it when the target has no backup of a database: nothing is found on one that is not mounted.
   *
   * @throws BackupFailed when it is not the target that was used before
   */
  async requireUsedTarget(): Promise<void> {
    if (this.#deps.state.targetId !== null) await this.requireTarget();
  }

  /** The last check of the escrow; null before the first. */
  get escrow(): BackupState['escrow'] {
    return this.#deps.state.escrow;
  }

  /** Checks the escrow, see `checkEscrow`. @returns null without a recovery key @throws BackupFailed */
  async checkEscrow(): Promise<EscrowCheck | null> {
    const { state, prepared, processes, settings, clock } = this.#deps;
    const { keys, place } = await prepared.use();
    if (keys.recovery === null) return null;
    const found = await processes.run(
      {
        kind: 'escrow',
        target: place.target,
        secrets: settings.written.secret,
        recovery: keys.recovery,
        masterKey: keys.masters[0].key,
        expectedSha256: state.escrowSha256,
      },
      { isUrgent: true },
    );
    state.updateEscrow({ escrow: { at: clock.now().toISOString(), problem: found.problem } });
    return found;
  }
}
