import { join } from 'node:path';
import type { Instance, PhaseReason } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { repeat } from '../../base/time/repeat.ts';
import { fileState } from '../../pocketbase/data/data-state.ts';
import { checkPages, corruptionLogged, firstProblem } from '../../pocketbase/data/page-damage.ts';
import { writeStamp } from '../../pocketbase/data/sqlite.ts';
import { restartHint } from '../../pocketbase/process/exit-reason.ts';
import type { Fleet } from '../fleet.ts';
import type { DamageRecord } from '../instance-files.ts';
import type { Runner } from '../runner.ts';

/** How often to search PocketBase's own logs for reports of a damaged database: about as often as instances are probed. */
const READ_LOGS_EVERY_MS = 30_000;
/** The start of a fleet needs processor and disk itself. */
const FIRST_CHECK_AFTER_MS = 5 * 60_000;
/** The pause after a check, as a multiple of its duration: checks take at most 1 % of one processor. */
const PAUSE_FACTOR = 99;
const MAX_PAUSE_MS = 60_000;
/** Larger databases are not checked: a long read blocks SQLite from shortening the WAL. */
const MAX_BYTES = 256 * 1024 * 1024;

/**
 * Checks the pages of the databases of running instances, which probes do not read: each every `everyMs`, and at once when
 * PocketBase's log reports damage.
 *
 * @returns the function that stops it
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

  const dueAt = ({ name }: Instance) =>
    (checkedAt.get(name) ?? startedAt + Math.min(everyMs, FIRST_CHECK_AFTER_MS) - everyMs) + everyMs;

  const check = async (instance: Instance, isThorough: boolean): Promise<void> => {
    const { name } = instance;
    const file = join(instance.db_path, 'data.db');
    const state = fileState(file);
    checkedAt.set(name, clock.monotonic());
    if (state === null) return;
    const recordDamage = (problem: string) =>
      damage.set(name, { identity: state.identity, reason: damageReason(problem, instance) });
    if (state.size > MAX_BYTES) {
      if (isThorough) recordDamage('PocketBase reports it, see its log');
      return;
    }
    try {
      const verdict = await checkPages({ file, isThorough }, stopped.signal);
      if ('unread' in verdict) log.debug({ instance: name }, `cannot read the pages: ${verdict.unread}`);
      else if (verdict.problem === null) damage.delete(name);
      else recordDamage(verdict.problem);
    } catch (error) {
      if (stopped.signal.aborted) return;
      log.warn({ instance: name }, `cannot check the pages: ${messageOf(error)}`);
    }
  };

  /** Whether the log has new reports of damage. */
  const reportsDamage = ({ name, db_path }: Instance): boolean => {
    const file = join(db_path, 'auxiliary.db');
    const known = logs.get(name);
    try {
      const stamp = writeStamp(file);
      if (known?.stamp === stamp) return false;
      const { last, isCorrupt } = corruptionLogged(file, { since, after: known?.last ?? 0 });
      logs.set(name, { stamp, last });
      return isCorrupt;
    } catch (error) {
      log.debug({ instance: name }, `cannot read the log of its PocketBase: ${messageOf(error)}`);
      return false;
    }
  };

  const running = () =>
    fleet
      .withProcess()
      .filter(isRunning)
      .map(({ state }) => state.view());

  const intervalMs = Math.min(READ_LOGS_EVERY_MS, everyMs);
  const stopReadingLogs = repeat(clock, intervalMs, async () => {
    for (const instance of running()) {
      if (stopped.signal.aborted) return;
      if (reportsDamage(instance)) await check(instance, true);
    }
    for (const map of [checkedAt, logs, damage])
      for (const name of map.keys()) if (fleet.find(name) === null) map.delete(name);
  });
  const stopChecking = repeat(clock, intervalMs, async () => {
    for (const instance of running().toSorted((a, b) => dueAt(a) - dueAt(b))) {
      const began = clock.monotonic();
      if (stopped.signal.aborted || dueAt(instance) > began) return;
      await check(instance, false);
      const pauseMs = Math.min(MAX_PAUSE_MS, everyMs, (clock.monotonic() - began) * PAUSE_FACTOR);
      await clock.sleep(pauseMs, stopped.signal);
    }
  });
  return async () => {
    stopped.abort();
    await Promise.all([stopReadingLogs(), stopChecking()]);
  };
}

function isRunning({ state: { phase } }: Runner): boolean {
  return phase === 'running' || phase === 'unresponsive';
}

function damageReason(problem: string, instance: Pick<Instance, 'name' | 'kind'>): PhaseReason {
  return {
    code: 'database_corrupt',
    message: `data.db is damaged (${firstProblem(problem)}); the instance still serves the readable data; stop it, restore it from a backup, ${restartHint(instance)}`,
  };
}
