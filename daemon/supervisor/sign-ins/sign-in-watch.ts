import type { PhaseReason } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { repeat } from '../../base/time/repeat.ts';
import { writeStamp } from '../../pocketbase/data/sqlite.ts';
import { failedSignIns } from '../../pocketbase/logs/request-log-limit.ts';
import type { Fleet } from '../fleet.ts';
import { addHook, hasHook, removeHook } from '../instance-hooks.ts';
import { requestLogFileOf } from '../instance-spec.ts';
import type { Runner } from '../runner.ts';
import { nextSignInStep } from './sign-in-step.ts';

const CHECK_EVERY_MS = 15_000;
const WINDOW_MINUTES = 15;
const PAUSE_MS = 1;

export interface SignInWatchDeps {
  fleet: Fleet;
  /** In force now: failed sign-ins per account and per network in 15 minutes. */
  limits: () => { signInsPerAccount: number; signInsPerAddress: number };
  clock: Clock;
  log: Logger;
}

interface Watched {
  /** Of PocketBase's log. A database without new entries has no new failures. */
  stamp: string;
  /** When more sign-ins than the limit had failed, or the first look. */
  attackedAtMs: number;
  /** The parameters of the hook. */
  parameters: string;
}

/**
 * Limits sign-ins at user databases whose passwords are guessed: PocketBase itself limits them per complete address only.
 * The limits are a hook, and hooks cost memory, so an instance is restarted with the hook when too many sign-ins fail.
 *
 * @returns the function that stops it
 */
export function watchSignIns({ fleet, limits, clock, log }: SignInWatchDeps): () => Promise<void> {
  const watched = new Map<string, Watched>();

  const check = async (runner: Runner): Promise<void> => {
    const { spec, state } = runner;
    if (state.phase !== 'running' || state.observed.desired !== 'running') return;
    const isLimited = hasHook(spec.directory, 'limit-sign-ins');
    const nowMs = clock.monotonic();
    const known = watched.get(spec.name) ?? { stamp: '', attackedAtMs: nowMs, parameters: '' };
    watched.set(spec.name, known);
    const file = requestLogFileOf(spec.directory);
    const stamp = writeStamp(file);
    const { signInsPerAccount, signInsPerAddress } = limits();
    const isUnchanged = stamp === known.stamp;
    const failed = isUnchanged ? 0 : failedSignIns(file, WINDOW_MINUTES);
    known.stamp = stamp;
    // A read takes 0.4 ms, and other work of the daemon must not wait for those of many databases.
    if (!isUnchanged) await clock.sleep(PAUSE_MS);
    const isAttacked = failed >= signInsPerAccount;
    if (isAttacked) known.attackedAtMs = nowMs;
    const step = nextSignInStep({ isLimited, isAttacked, quietMs: nowMs - known.attackedAtMs });
    if (step === 'release') {
      // Applies from the next start on.
      await removeHook(spec.directory, 'limit-sign-ins');
      log.info({ instance: spec.name }, 'its limits of sign-ins end with its next start');
    }
    if (step === 'wait') return;
    const parameters = { per_account: signInsPerAccount, per_network: signInsPerAddress };
    if (step !== 'release' && known.parameters !== JSON.stringify(parameters)) {
      await addHook(spec, 'limit-sign-ins', parameters);
      known.parameters = JSON.stringify(parameters);
    }
    if (step !== 'limit') return;
    const reason: PhaseReason = {
      code: 'sign_ins_failed',
      message: `${failed} sign-ins failed in ${WINDOW_MINUTES} minutes, so they are limited per account and network`,
    };
    log.warn({ instance: spec.name }, reason.message);
    await fleet.restart(spec.name, reason);
  };

  return repeat(clock, CHECK_EVERY_MS, async () => {
    for (const name of watched.keys()) if (fleet.find(name) === null) watched.delete(name);
    for (const runner of fleet.withProcess().filter(({ spec }) => spec.kind === 'user')) {
      await check(runner).catch((error: unknown) => {
        log.warn({ instance: runner.spec.name }, `cannot limit its sign-ins: ${messageOf(error)}`);
      });
    }
  });
}
