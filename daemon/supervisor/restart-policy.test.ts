import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PHASE_REASON_CODES, type PhaseReasonCode } from '../../shared/reasons.ts';
import { decideAfterFailure, MAX_ATTEMPTS, STABLE_AFTER_MS } from './restart-policy.ts';

const UNFIXABLE: PhaseReasonCode[] = [
  'migration_failed',
  'hook_broken',
  'database_corrupt',
  'encryption_key_wrong',
  'data_dir_missing',
];
const EXTERNAL: PhaseReasonCode[] = [
  'disk_full',
  'ports_exhausted',
  'port_in_use',
  'data_dir_locked',
  'binary_missing',
  'permission_denied',
  'read_only',
  'volume_missing',
  'binary_changed',
  'out_of_files',
];
const fails = (
  reason: PhaseReasonCode,
  attempt: number,
  options: { uptimeMs?: number; global?: boolean; previousReason?: PhaseReasonCode } = {},
) =>
  decideAfterFailure(
    {
      reason,
      attempt,
      previousReason: options.previousReason ?? null,
      uptimeMs: options.uptimeMs ?? 0,
      mayGiveUp: options.global !== true,
    },
    () => 0.5,
  );

const longestDelay = (attempt: number) =>
  decideAfterFailure(
    { reason: 'port_in_use', attempt, previousReason: null, uptimeMs: 0, mayGiveUp: true },
    () => 0.9999999,
  );

describe('after a failure', () => {
  it('the first restart follows at once for every cause', () => {
    for (const reason of PHASE_REASON_CODES) {
      expect(fails(reason, 0)).toMatchObject({ kind: 'restart', attempt: 1, delayMs: 0 });
    }
  });

  it('attempts with an external cause do not count for the next cause', () => {
    expect(fails('data_dir_missing', 7, { previousReason: 'volume_missing' })).toMatchObject({ attempt: 1 });
    expect(fails('read_only', 7, { previousReason: 'volume_missing' })).toMatchObject({ attempt: 8 });
    expect(fails('data_dir_missing', 2, { previousReason: 'data_dir_missing' })).toMatchObject({
      kind: 'give_up',
    });
  });

  it('the delay of later restarts doubles up to a minute, with full jitter', () => {
    expect([1, 2, 3, 4, 8, 100].map((attempt) => longestDelay(attempt))).toMatchObject(
      [500, 1000, 2000, 4000, 60_000, 60_000].map((delayMs) => ({ kind: 'restart', delayMs })),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, random) => {
          const decision = decideAfterFailure(
            { reason: 'disk_full', attempt, previousReason: null, uptimeMs: 0, mayGiveUp: true },
            () => random,
          );
          expect(decision).toMatchObject({ kind: 'restart', attempt: attempt + 1 });
          const delayMs = decision.kind === 'restart' ? decision.delayMs : -1;
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(Math.min(60_000, 500 * 2 ** (attempt - 1)));
        },
      ),
    );
  });

  it('a stable run resets the count', () => {
    expect(fails('exited', 9, { uptimeMs: STABLE_AFTER_MS })).toMatchObject({
      kind: 'restart',
      attempt: 1,
      delayMs: 0,
    });
    expect(fails('exited', 9, { uptimeMs: STABLE_AFTER_MS - 1 })).toMatchObject({ kind: 'give_up' });
  });

  it('gives up after 10 attempts, and after 3 for a cause that a restart does not fix', () => {
    expect(fails('exited', MAX_ATTEMPTS - 2).kind).toBe('restart');
    expect(fails('exited', MAX_ATTEMPTS - 1)).toEqual({
      kind: 'give_up',
      attempt: MAX_ATTEMPTS,
      maxAttempts: MAX_ATTEMPTS,
    });
    for (const reason of UNFIXABLE) {
      expect(fails(reason, 1)).toMatchObject({ kind: 'restart', maxAttempts: 3 });
      expect(fails(reason, 2)).toEqual({ kind: 'give_up', attempt: 3, maxAttempts: 3 });
    }
  });

  it('never gives up on an external cause, and never on the global instance', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PHASE_REASON_CODES),
        fc.boolean(),
        fc.nat({ max: 100_000 }),
        (reason, global, attempt) => {
          const decision = fails(reason, attempt, { global });
          if (global || EXTERNAL.includes(reason)) {
            expect(decision).toMatchObject({ kind: 'restart', maxAttempts: null });
          }
        },
      ),
    );
  });
});
