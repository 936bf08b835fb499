import type { BackupStatus } from '../../../shared/api/backup-status.ts';
import type {
  DatabaseBackups,
  DrillProgress,
  EndedRestore,
  RestoreProgress,
} from '../../../shared/api/backups.ts';
import { BACKUP_REMEDIES } from '../../../shared/backup-failure.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { BackupConfig } from '../../config/backups.ts';
import type { StoredFailure } from './backup-state.ts';
import type { BackupSubject, Backups } from './backups.ts';

/** Of each list in the status. */
const MOST_SHOWN = 20;

export interface OverviewDeps {
  backups: Backups;
  config: BackupConfig;
  subjects: () => Iterable<BackupSubject>;
  /** The restore in progress; null without one. */
  restoreOf: (database: string) => RestoreProgress | null;
  /** The restore that ended last; null without one. */
  lastRestoreOf: (database: string) => EndedRestore | null;
  /** The schedule of drills, and the one in progress. */
  drills: () => {
    nextAt: Date | null;
    running: string | null;
    progressOf: (database: string) => DrillProgress | null;
  };
  /** Null without REPLICA. */
  replica: () => BackupStatus['replica'];
  clock: Clock;
}

/** What is shown of the backups of the fleet. */
export class BackupOverview {
  readonly #deps: OverviewDeps;

  constructor(deps: OverviewDeps) {
    this.#deps = deps;
  }

  of(subject: BackupSubject): DatabaseBackups {
    const { backups, restoreOf, lastRestoreOf, drills } = this.#deps;
    const { last, confirmed_at, failure, drill, proven } = backups.stateOf(subject.name);
    return {
      database: subject.name,
      last,
      confirmed_at,
      late: this.#isLate(backups.coveredSince(subject)),
      running: backups.isRunning(subject.name),
      failure: failure && toView(failure),
      retry_at: failure?.retry_at ?? null,
      restore: restoreOf(subject.name),
      last_restore: lastRestoreOf(subject.name),
      drilling: drills().progressOf(subject.name),
      drill,
      proven,
    };
  }

  /** Failed and late databases first, then failed drills, then those at work. */
  byProblem(subjects: readonly BackupSubject[]): DatabaseBackups[] {
    return subjects.map((subject) => this.of(subject)).toSorted((a, b) => rankOf(a) - rankOf(b));
  }

  status(): BackupStatus {
    const { backups, config, subjects } = this.#deps;
    const present = [...subjects()];
    const all = present.flatMap((subject) => {
      const covered = backups.coveredSince(subject);
      const { failure, last } = backups.stateOf(subject.name);
      return covered === null && failure === null ? [] : [{ covered, failure, bytes: last?.bytes ?? 0 }];
    });
    const times = all.flatMap(({ covered }) => (covered === null ? [] : [covered.getTime()]));
    const failures = Map.groupBy(
      all.flatMap(({ failure }) => failure ?? []),
      ({ reason }) => reason,
    );
    const { schedule } = config;
    return {
      target: withoutPassword(config.target),
      schedule: schedule && `${schedule.cron} ${schedule.timezone}`,
      next_at: backups.schedule?.nextAt.toISOString() ?? null,
      running: backups.running,
      databases: all.length,
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
      late: all.filter(({ covered }) => this.#isLate(covered)).length,
      oldest_at: times.length === 0 ? null : new Date(times.reduce((a, b) => Math.min(a, b))).toISOString(),
      failures: [...failures.values()].flatMap((same) => {
        const [first] = same.toSorted((a, b) => (a.since < b.since ? -1 : 1));
        return first === undefined ? [] : [{ ...toView(first), databases: same.length }];
      }),
      unusable_keys: backups.unusableKeys.slice(0, MOST_SHOWN),
      drills: this.#drills(present),
      replica: this.#deps.replica(),
      recovery_key: backups.hasRecoveryKey,
    };
  }

  #drills(subjects: readonly BackupSubject[]): BackupStatus['drills'] {
    const { backups, drills } = this.#deps;
    const { nextAt, running } = drills();
    const states = subjects.map(({ name }) => ({ name, state: backups.stateOf(name) }));
    const failed = states.flatMap(({ name: database, state: { drill } }) =>
      drill && drill.problem !== null ? [{ ...drill, database, problem: drill.problem }] : [],
    );
    const unproven = nextAt === null ? [] : states.filter(({ state }) => backups.proofs.isUnproven(state));
    const withoutProof = states.filter(({ state }) => !backups.proofs.hasProof(state));
    const ends = states.flatMap(({ state }) => state.drill?.at ?? []);
    return {
      next_at: nextAt?.toISOString() ?? null,
      running,
      last_at: ends.reduce<string | null>((a, b) => (a === null || b > a ? b : a), null),
      failed: failed.slice(0, MOST_SHOWN),
      failed_databases: failed.length,
      unproven: unproven.slice(0, MOST_SHOWN).map(({ name }) => name),
      unproven_databases: unproven.length,
      without_proof_databases: withoutProof.length,
      escrow: backups.proofs.escrow,
    };
  }

  #isLate(covered: Date | null): boolean {
    const { backups, clock } = this.#deps;
    const { schedule } = backups;
    if (schedule === null || covered === null) return false;
    return clock.now().getTime() - covered.getTime() > schedule.lateAfterMs;
  }
}

function rankOf({ failure, late, drill, running, restore, drilling }: DatabaseBackups): number {
  if (failure !== null) return 0;
  if (late) return 1;
  if (drill !== null && drill.problem !== null) return 2;
  return running || restore !== null || drilling !== null ? 3 : 4;
}

function toView({ reason, message, remedy, since }: StoredFailure): NonNullable<DatabaseBackups['failure']> {
  return { reason, message, remedy: remedy ?? BACKUP_REMEDIES[reason], since };
}

function withoutPassword(target: string): string {
  return target.replace(/\/\/[^@/]*@/, '//');
}
