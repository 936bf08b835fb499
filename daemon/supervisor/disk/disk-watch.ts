import type { PhaseReason } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import { writtenBytes } from '../../pocketbase/process/procfs.ts';
import type { Fleet } from '../fleet.ts';
import { directoryBytes } from '../health/sampler.ts';
import { addHook, hasHook, removeHook } from '../instance-hooks.ts';
import { dataDirOf } from '../instance-spec.ts';
import type { Runner } from '../runner.ts';
import { type DiskReasons, type DiskState, diskStateAfter, NEAR, nextDiskStep } from './disk-limit.ts';

/** A changed limit applies after this time at the latest. */
const MAX_WAIT_MS = 5_000;
const MIB = 1024 * 1024;

interface Watched {
  state: DiskState;
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

/**
 * Keeps user databases within their disk limits. At the limit, the instance is restarted once with a hook that refuses
 * writes; when there is space again, it is restarted without the hook.
 */
export class DiskWatch {
  readonly #deps: { fleet: Fleet; reasons: DiskReasons; clock: Clock; log: Logger };
  readonly #watched = new Map<string, Watched>();
  readonly #work = new Set<Promise<void>>();
  #loop: Loop | null = null;

  constructor(deps: { fleet: Fleet; reasons: DiskReasons; clock: Clock; log: Logger }) {
    this.#deps = deps;
  }

  start(): void {
    this.#loop ??= startLoop(this.#deps.clock, () => Promise.resolve(this.#check()));
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
    await Promise.allSettled(this.#work);
  }

  /** Returns the milliseconds until the next check. */
  #check(): number {
    const { fleet, clock, reasons } = this.#deps;
    const nowMs = clock.monotonic();
    let waitMs = MAX_WAIT_MS;
    const runners = fleet.runners(({ spec }) => spec.kind === 'user');
    for (const runner of runners) waitMs = Math.min(waitMs, this.#checkOne(runner, nowMs));
    const names = new Set(runners.map(({ spec }) => spec.name));
    for (const name of this.#watched.keys()) {
      if (names.has(name)) continue;
      this.#watched.delete(name);
      reasons.delete(name);
    }
    return waitMs;
  }

  #checkOne(runner: Runner, nowMs: number): number {
    const { spec, state } = runner;
    const watched = this.#watchedOf(runner);
    const limit = spec.limits().disk_bytes;
    const isChanged = limit !== watched.limit;
    if (isChanged) Object.assign(watched, { limit, dueMs: nowMs, bytes: null });
    if (watched.isBusy || watched.dueMs > nowMs) return watched.dueMs - nowMs || MAX_WAIT_MS;
    const { pid } = state.observed;
    if (pid === null) return MAX_WAIT_MS;
    if (limit === null) {
      watched.dueMs = nowMs + MAX_WAIT_MS;
      if (watched.state !== 'free') this.#begin(watched, () => this.#apply(runner, watched, 'free', 0));
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

  #watchedOf({ spec }: Runner): Watched {
    const known = this.#watched.get(spec.name);
    if (known) return known;
    const state = hasHook(spec.directory, 'refuse-writes') ? 'over' : 'free';
    const unknown = { limit: null, bytes: null, pid: null, written: null };
    const watched: Watched = { ...unknown, state, walkedAtMs: 0, walkMs: 0, isBusy: false, dueMs: 0 };
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
    const used = await directoryBytes(spec.directory);
    fleet.recordDiskBytes(spec.name, used);
    // SQLite fills the space of deleted records again before its file grows.
    const bytes = used >= limit * NEAR ? used - freeBytes(spec.directory) : used;
    const endedMs = clock.monotonic();
    Object.assign(watched, { bytes, walkedAtMs: endedMs, walkMs: endedMs - startedMs, pid, written });
    await this.#apply(runner, watched, diskStateAfter(watched.state, bytes, limit), bytes);
  }

  async #apply(runner: Runner, watched: Watched, after: DiskState, bytes: number): Promise<void> {
    const { fleet, reasons, log } = this.#deps;
    const { spec, state } = runner;
    const before = watched.state;
    watched.state = after;
    const reason = reasonOf(after, { bytes, limit: watched.limit, name: spec.name });
    if (reason) reasons.set(spec.name, reason);
    else reasons.delete(spec.name);
    if (before !== after)
      log.warn({ instance: spec.name, disk: after }, reason?.message ?? 'it is within its disk limit');
    if (reason?.code === 'over_disk' && before !== 'over') {
      await addHook(spec.directory, 'refuse-writes', { code: reason.code, message: reason.message });
    }
    if (after !== 'over' && before === 'over') await removeHook(spec.directory, 'refuse-writes');
    const isRunning = state.phase === 'running' && state.observed.desired === 'running';
    if ((after === 'over') !== (before === 'over') && isRunning) await fleet.restart(spec.name, reason);
    showReason(runner, reason);
  }
}

/** Shows the reason before the next probe does. Other reasons are more important. */
function showReason({ state }: Runner, reason: PhaseReason | null): void {
  const shown = state.reason?.code;
  if (state.phase !== 'running' || shown === reason?.code) return;
  if (shown === undefined || shown === 'over_disk' || shown === 'near_disk_limit')
    state.enter('running', reason);
}

function reasonOf(
  state: DiskState,
  { bytes, limit, name }: { bytes: number; limit: number | null; name: string },
): PhaseReason | null {
  if (state === 'free' || limit === null) return null;
  const usage = `it uses ${Math.round(bytes / MIB)} of ${Math.round(limit / MIB)} MiB`;
  const remedy = `delete records or files, or raise the limit: 'fathomd databases set ${name} --disk-mb N'`;
  return state === 'over'
    ? { code: 'over_disk', message: `${usage}, so writes are refused; ${remedy}` }
    : { code: 'near_disk_limit', message: `${usage}; ${remedy}` };
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
