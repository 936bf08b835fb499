import { join } from 'node:path';
import type { Instance, PhaseReason } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { repeat } from '../../base/time/repeat.ts';
import { fileState } from '../../pocketbase/data/data-state.ts';
import { checkPages, corruptionLogged, firstProblem } from '../../pocketbase/data/page-damage.ts';
import { restartHint } from '../../pocketbase/process/exit-reason.ts';
import type { Fleet } from '../fleet.ts';

/** How often PocketBase's own logs are looked at for words of a damaged database. */
const LOOK_EVERY_MS = 10_000;
/** The start of a fleet has better use for processor and disk. */
const FIRST_CHECK_AFTER_MS = 5 * 60_000;
/** After a check comes a pause of so many times its duration: checks take at most a hundredth of one processor. */
const PAUSE_FACTOR = 99;
const LONGEST_PAUSE_MS = 60_000;
/** A larger one is not read through: a long read keeps SQLite from shortening the WAL, and the daemon from ending. */
const LARGEST_BYTES = 256 * 1024 * 1024;

/** What was found inside databases, by instance; it counts for that very file. */
export type DamageRecord = Map<string, { identity: string; reason: PhaseReason }>;

/**
 * Looks inside the databases of instances that run, where probes do not: each every `everyMs`, and at once when
 * PocketBase's log says that SQLite found damage. Returns what ends that.
 */
export function watchPages(deps: {
  fleet: Fleet;
  damage: DamageRecord;
  everyMs: number;
  clock: Clock;
  log: Logger;
}): () => Promise<void> {
  const { fleet, damage, everyMs, clock, log } = deps;
  const stopped = new AbortController();
  const startedAt = clock.monotonic();
  const since = clock.now();
  const checkedAt = new Map<string, number>();
  const logs = new Map<string, { stamp: string; last: number }>();

  const running = () => fleet.list().filter(({ phase }) => phase === 'running' || phase === 'unresponsive');
  const dueAt = ({ name }: Instance) =>
    (checkedAt.get(name) ?? startedAt + Math.min(everyMs, FIRST_CHECK_AFTER_MS) - everyMs) + everyMs;

  const check = async (instance: Instance, isThorough: boolean): Promise<void> => {
    const { name } = instance;
    const file = join(instance.db_path, 'data.db');
    const seen = fileState(file);
    checkedAt.set(name, clock.monotonic());
    if (seen === null) return;
    if (seen.size > LARGEST_BYTES) {
      const problem = 'PocketBase reports it, see its log';
      if (isThorough) damage.set(name, { identity: seen.identity, reason: damaged(problem, instance) });
      return;
    }
    try {
      const verdict = await checkPages({ file, isThorough });
      if ('unread' in verdict)
        log.debug({ instance: name }, `its pages could not be read: ${verdict.unread}`);
      else if (verdict.problem === null) damage.delete(name);
      else damage.set(name, { identity: seen.identity, reason: damaged(verdict.problem, instance) });
    } catch (error) {
      log.warn({ instance: name }, `its pages could not be checked: ${messageOf(error)}`);
    }
  };

  /** Whether anything was logged about damage since the last look. */
  const complains = ({ name, db_path }: Instance): boolean => {
    const file = join(db_path, 'auxiliary.db');
    const stamp = `${fileState(file)?.stamp} ${fileState(`${file}-wal`)?.stamp}`;
    const known = logs.get(name);
    if (known?.stamp === stamp) return false;
    try {
      const { last, isCorrupt } = corruptionLogged(file, { since, after: known?.last ?? 0 });
      logs.set(name, { stamp, last });
      return isCorrupt;
    } catch (error) {
      log.debug({ instance: name }, `the log of its PocketBase could not be read: ${messageOf(error)}`);
      return false;
    }
  };

  const stopLooking = repeat(clock, LOOK_EVERY_MS, async () => {
    for (const instance of running()) {
      if (stopped.signal.aborted) return;
      if (complains(instance)) await check(instance, true);
    }
    forgetOthers([checkedAt, logs, damage], new Set(fleet.list().map(({ name }) => name)));
  });
  const stopChecking = repeat(clock, Math.min(LOOK_EVERY_MS, everyMs), async () => {
    for (const instance of running().toSorted((a, b) => dueAt(a) - dueAt(b))) {
      const began = clock.monotonic();
      if (stopped.signal.aborted || dueAt(instance) > began) return;
      await check(instance, false);
      const pauseMs = Math.min(LONGEST_PAUSE_MS, everyMs, (clock.monotonic() - began) * PAUSE_FACTOR);
      await clock.sleep(pauseMs, stopped.signal);
    }
  });
  return async () => {
    stopped.abort();
    await Promise.all([stopLooking(), stopChecking()]);
  };
}

function damaged(problem: string, instance: Pick<Instance, 'name' | 'kind'>): PhaseReason {
  return {
    code: 'database_corrupt',
    message: `data.db is damaged inside (${firstProblem(problem)}); what can be read is still served; stop it, restore it from a backup, ${restartHint(instance)}`,
  };
}

function forgetOthers(maps: readonly Map<string, unknown>[], names: ReadonlySet<string>): void {
  for (const map of maps) for (const name of map.keys()) if (!names.has(name)) map.delete(name);
}
