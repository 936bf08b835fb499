import type { PhaseReason } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import { writtenBytes } from '../../pocketbase/process/procfs.ts';
import type { Fleet } from '../fleet.ts';
import { addHook, hasHook, hookParameters, loadsHook, removeHook } from '../instance-hooks.ts';
import { dataDirOf } from '../instance-spec.ts';
import type { Runner } from '../runner.ts';
import { databaseUsage } from './database-usage.ts';
import {
  type DiskReasons,
  type DiskState,
  diskStateAfter,
  NEAR,
  nextDiskStep,
  untilDue,
} from './disk-limit.ts';
import type { DiskReserve } from './disk-reserve.ts';
import { removeUnfinished } from './unfinished-uploads.ts';

/** A changed limit applies after this time at the latest. */
const MAX_WAIT_MS = 5_000;
/** Processor time for one file of a directory, with room for slower hosts. */
const ENTRY_MS = 0.2;
/** A process without the refusal of a database over its limit is noticed after this time. */
const LOOK_AGAIN_MS = 1_000;
const MIB = 1024 * 1024;
/** What a database may write after the begin of a hold. A held database costs a restart and the memory of a hook. */
const HOLD_AFTER_BYTES = 64 * 1024;
const HOLD_CHECK_MS = 1_000;
const HOLD_MS_PER_DATABASE = 1;

interface Watched {
  state: DiskState;
  /** Refuses writes because the disk of the host is nearly full. */
  isHeld: boolean;
  /** What the process had written at the begin of the hold. */
  heldFrom: { pid: number; written: number } | null;
  limit: number | null;
  bytes: number | null;
  walkedAtMs: number;
  walkMs: number;
  /** The process at the last measurement, and what it had written then. */
  pid: number | null;
  written: number | null;
  isBusy: boolean;
  dueMs: number;
}

export interface DiskWatchDeps {
  fleet: Fleet;
  reserve: DiskReserve;
  reasons: DiskReasons;
  clock: Clock;
  log: Logger;
}

/**
 * Keeps user databases within their disk limits, and holds those that write while the disk of the host is nearly full. The
 * instance is restarted once with a hook that refuses writes; when there is space again, it is restarted without the hook.
 */
export class DiskWatch {
  readonly #deps: DiskWatchDeps;
  readonly #watched = new Map<string, Watched>();
  readonly #work = new Set<Promise<void>>();
  #loop: Loop | null = null;

  constructor(deps: DiskWatchDeps) {
    this.#deps = deps;
    deps.reserve.onChange(() => this.#loop?.wake());
  }

  start(): void {
    this.#loop ??= startLoop(this.#deps.clock, () => this.#check());
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
    await Promise.allSettled(this.#work);
  }

  /** Returns the milliseconds until the next check. */
  async #check(): Promise<number> {
    const { fleet, clock, reasons, reserve } = this.#deps;
    const isHeld = reserve.state.isHeld && (await this.#sharesDisk());
    const nowMs = clock.monotonic();
    const runners = this.#runners();
    let waitMs = isHeld ? HOLD_CHECK_MS + runners.length * HOLD_MS_PER_DATABASE : MAX_WAIT_MS;
    for (const runner of runners) {
      this.#checkHold(runner, isHeld);
      waitMs = Math.min(waitMs, this.#checkOne(runner, nowMs));
    }
    for (const name of this.#watched.keys()) {
      if (fleet.find(name) !== null) continue;
      this.#watched.delete(name);
      reasons.delete(name);
    }
    return waitMs;
  }

  /** Only processes write. A stopped database that refuses writes is released too, so that its next start is a normal one. */
  #runners(): Runner[] {
    const { fleet } = this.#deps;
    const runners = new Set(fleet.withProcess().filter(({ spec }) => spec.kind === 'user'));
    for (const [name, watched] of this.#watched) {
      const runner = refusalOf(watched) === null ? null : fleet.find(name);
      if (runner) runners.add(runner);
    }
    return Array.from(runners);
  }

  /** A disk that cannot be read now is the same one. */
  async #sharesDisk(): Promise<boolean> {
    return this.#deps.reserve.sharesDisk().catch(() => true);
  }

  #checkHold(runner: Runner, isHeld: boolean): void {
    const watched = this.#watchedOf(runner);
    const { pid } = runner.state.observed;
    if (watched.isBusy) return;
    if (!isHeld) {
      watched.heldFrom = null;
      if (watched.isHeld) this.#begin(watched, () => this.#settle(runner, watched, { isHeld: false }));
    } else if (!watched.isHeld && pid !== null && hasWritten(watched, pid)) {
      this.#begin(watched, () => this.#settle(runner, watched, { isHeld: true }));
    }
  }

  #checkOne(runner: Runner, nowMs: number): number {
    const { spec, state } = runner;
    const watched = this.#watchedOf(runner);
    const limit = spec.limits().disk_bytes;
    const isChanged = limit !== watched.limit;
    if (isChanged) Object.assign(watched, { limit, dueMs: nowMs, bytes: null });
    if (refusalOf(watched) !== null && !watched.isBusy && acceptsWrites(runner)) {
      this.#begin(watched, () => this.#restart(runner));
    }
    if (watched.isBusy || watched.dueMs > nowMs) return this.#untilDue(watched, nowMs);
    const { pid } = state.observed;
    if (pid === null) return MAX_WAIT_MS;
    if (limit === null) {
      watched.dueMs = nowMs + MAX_WAIT_MS;
      if (watched.state !== 'free')
        this.#begin(watched, () => this.#settle(runner, watched, { state: 'free' }));
      return MAX_WAIT_MS;
    }
    const written = writtenBytes(pid);
    const isSameProcess = watched.pid === pid && written !== null && watched.written !== null;
    const step = nextDiskStep({
      ...watched,
      limit,
      // A new process counts from 0, after what the process before it wrote last.
      written: isSameProcess ? written - (watched.written ?? 0) : null,
      sinceWalkMs: nowMs - watched.walkedAtMs,
    });
    if (step === 'walk') this.#begin(watched, () => this.#measure(runner, watched, limit, pid));
    const waitMs = step === 'walk' ? 1_000 : step;
    watched.dueMs = nowMs + waitMs;
    return waitMs;
  }

  #untilDue(watched: Watched, nowMs: number): number {
    return untilDue(watched.dueMs - nowMs, refusalOf(watched) !== null ? LOOK_AGAIN_MS : MAX_WAIT_MS);
  }

  async #restart(runner: Runner): Promise<void> {
    const { fleet, reasons } = this.#deps;
    const { name } = runner.spec;
    await fleet.restart(name, reasons.get(name) ?? null);
    runner.state.showLimitation(reasons.get(name) ?? null, OWN_REASONS);
  }

  #watchedOf({ spec }: Runner): Watched {
    const known = this.#watched.get(spec.name);
    if (known) return known;
    const refused = hookParameters(spec.directory, 'refuse-writes');
    const isHeld = refused?.['code'] === 'disk_reserve';
    const refusal = { isHeld, state: refused === null || isHeld ? 'free' : 'over' } as const;
    const unknown = { limit: null, bytes: null, pid: null, written: null, heldFrom: null };
    const watched: Watched = { ...unknown, ...refusal, walkedAtMs: 0, walkMs: 0, isBusy: false, dueMs: 0 };
    this.#watched.set(spec.name, watched);
    return watched;
  }

  #begin(watched: Watched, work: () => Promise<void>): void {
    watched.isBusy = true;
    const run = (async () => {
      try {
        await work();
      } catch (error) {
        this.#deps.log.warn({ err: error }, `cannot check a disk limit: ${messageOf(error)}`);
      } finally {
        watched.isBusy = false;
      }
    })();
    this.#work.add(run);
    void run.finally(() => this.#work.delete(run));
  }

  async #measure(runner: Runner, watched: Watched, limit: number, pid: number): Promise<void> {
    const { clock, fleet } = this.#deps;
    const { spec } = runner;
    const startedMs = clock.monotonic();
    const written = writtenBytes(pid);
    const { bytes: found, entries, unfinished } = await databaseUsage(spec.directory);
    const used = found - (await this.#removeUnfinished(runner, unfinished));
    fleet.recordDiskBytes(spec.name, used);
    // SQLite fills the space of deleted records again before its file grows.
    const bytes = used >= limit * NEAR ? used - freeBytes(spec.directory) : used;
    const endedMs = clock.monotonic();
    // Without the time that it waited for a processor: a busy host must not delay the next measurement.
    const walkMs = Math.min(endedMs - startedMs, entries * ENTRY_MS);
    Object.assign(watched, { bytes, walkedAtMs: endedMs, walkMs, pid, written });
    await this.#settle(runner, watched, { state: diskStateAfter(watched.state, bytes, limit) });
  }

  /** Otherwise they would count, and the owner cannot delete them. Returns the bytes that are free now. */
  async #removeUnfinished({ spec, state }: Runner, paths: readonly string[]): Promise<number> {
    const { pid, startedAt } = state.observed;
    if (pid === null || startedAt === null) return 0;
    const { files, bytes } = await removeUnfinished(paths, { pid, startedAt });
    if (files > 0) this.#deps.log.info({ instance: spec.name, files, bytes }, 'removed unfinished uploads');
    return bytes;
  }

  /** Refuses or allows writes for a changed state. Without success, the state stays, so that it is tried again. */
  async #settle(
    runner: Runner,
    watched: Watched,
    change: Partial<Pick<Watched, 'state' | 'isHeld'>>,
  ): Promise<void> {
    const { fleet, reasons, log } = this.#deps;
    const { spec, state } = runner;
    const after = { state: watched.state, isHeld: watched.isHeld, ...change };
    const before = refusalOf(watched);
    const refusal = refusalOf(after);
    const reason = reasonOf(after, { bytes: watched.bytes ?? 0, limit: watched.limit, name: spec.name });
    if (refusal !== before && refusal !== null && reason !== null) {
      const { code, message } = reason;
      await addHook(spec, 'refuse-writes', { code, message });
    }
    if (refusal === null && before !== null) await removeHook(spec.directory, 'refuse-writes');
    const isChanged = watched.state !== after.state || watched.isHeld !== after.isHeld;
    Object.assign(watched, after);
    if (reason) reasons.set(spec.name, reason);
    if (isChanged)
      log.warn({ instance: spec.name, disk: after }, reason?.message ?? 'it is within its disk limit');
    const isRunning = state.phase === 'running' && state.observed.desired === 'running';
    if ((refusal === null) !== (before === null) && isRunning) await fleet.restart(spec.name, reason);
    // Not before: until the new process runs, writes are refused.
    if (!reason) reasons.delete(spec.name);
    runner.state.showLimitation(reason, OWN_REASONS);
  }
}

/** Why a database refuses writes; null if it accepts them. */
function refusalOf({
  state,
  isHeld,
}: Pick<Watched, 'state' | 'isHeld'>): 'over_disk' | 'disk_reserve' | null {
  if (state === 'over') return 'over_disk';
  return isHeld ? 'disk_reserve' : null;
}

/** Whether the process has written since the begin of the hold. */
function hasWritten(watched: Watched, pid: number): boolean {
  const written = writtenBytes(pid);
  // A process that cannot be read may write.
  if (written === null) return true;
  if (watched.heldFrom?.pid !== pid) watched.heldFrom = { pid, written };
  return written - watched.heldFrom.written >= HOLD_AFTER_BYTES;
}

const OWN_REASONS: ReadonlySet<PhaseReason['code']> = new Set([
  'over_disk',
  'disk_reserve',
  'near_disk_limit',
]);

/** Whether a process must refuse writes and does not: its start was in progress when the limit was reached. */
function acceptsWrites({ spec, state }: Runner): boolean {
  const { pid, desired } = state.observed;
  if (pid === null || desired !== 'running' || !hasHook(spec.directory, 'refuse-writes')) return false;
  return loadsHook(pid, 'refuse-writes') === false;
}

function reasonOf(
  { state, isHeld }: Pick<Watched, 'state' | 'isHeld'>,
  { bytes, limit, name }: { bytes: number; limit: number | null; name: string },
): PhaseReason | null {
  const usage = `it uses ${Math.round(bytes / MIB)} of ${Math.round((limit ?? 0) / MIB)} MiB`;
  const remedy = `delete records or files, or raise the limit: 'fathomd databases set ${name} --disk-mb N'`;
  if (state === 'over' && limit !== null)
    return { code: 'over_disk', message: `${usage}, so writes are refused; ${remedy}` };
  if (isHeld) {
    const message =
      "the disk of the host is nearly full, so writes are refused; free some space: 'fathomd databases usage' shows the largest databases";
    return { code: 'disk_reserve', message };
  }
  return state === 'near' && limit !== null
    ? { code: 'near_disk_limit', message: `${usage}; ${remedy}` }
    : null;
}

/** The bytes inside of `data.db` that deleted records have left; 0 if they cannot be read now. */
function freeBytes(directory: string): number {
  try {
    return withDatabase(`${dataDirOf(directory)}/data.db`, { readOnly: true }, (database) => {
      const pages = database.prepare('PRAGMA freelist_count').get()?.['freelist_count'];
      const size = database.prepare('PRAGMA page_size').get()?.['page_size'];
      return Number(pages) * Number(size);
    });
  } catch {
    return 0;
  }
}
