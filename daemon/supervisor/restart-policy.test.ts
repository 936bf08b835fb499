import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PHASE_REASON_CODES, type PhaseReasonCode } from '../../shared/reasons.ts';
import { decideAfterFailure, STABLE_AFTER_MS } from './restart-policy.ts';

const UNFIXABLE: PhaseReasonCode[] = [
  'migration_failed',
  'hook_broken',
  'database_corrupt',
  'encryption_key_wrong',
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
  'data_dir_missing',
  'app_missing',
];
const CRASHES: PhaseReasonCode[] = [
  'exited',
  'killed',
  'over_memory',
  'unresponsive',
  'start_timeout',
  'spawn_failed',
];
const SETTINGS = { baseMs: 500, capMs: 300_000, maxAttempts: 10 };
const fails = (
  reason: PhaseReasonCode,
  attempt: number,
  options: {
    uptimeMs?: number;
    global?: boolean;
    hasServed?: boolean;
    previousReason?: PhaseReasonCode;
    random?: number;
    settings?: typeof SETTINGS;
  } = {},
) =>
  decideAfterFailure(
    {
      reason,
      attempt,
      previousReason: options.previousReason ?? null,
      uptimeMs: options.uptimeMs ?? 0,
      kind: options.global === true ? 'global' : 'user',
      hasServed: options.hasServed ?? true,
    },
    options.settings ?? SETTINGS,
    () => options.random ?? 0.5,
  );

const longestWait = (attempt: number) => fails('exited', attempt, { random: 0.9999999 });

describe('after a failure', () => {
  it('the first restart follows at once for every cause', () => {
    for (const reason of PHASE_REASON_CODES) {
      expect(fails(reason, 0)).toMatchObject({ kind: 'restart', attempt: 1, delayMs: 0 });
    }
  });

  it('attempts with an external cause do not count for the next cause', () => {
    expect(fails('database_corrupt', 7, { previousReason: 'volume_missing' })).toMatchObject({ attempt: 1 });
    expect(fails('read_only', 7, { previousReason: 'volume_missing' })).toMatchObject({ attempt: 8 });
    expect(fails('database_corrupt', 2, { previousReason: 'database_corrupt' })).toMatchObject({
      kind: 'give_up',
    });
  });

  it('the delay of later restarts doubles up to five minutes, with full jitter', () => {
    expect([1, 2, 3, 4, 8, 10, 11, 100].map((attempt) => longestWait(attempt))).toMatchObject(
      [500, 1000, 2000, 4000, 64_000, 256_000, 300_000, 300_000].map((delayMs) => ({
        kind: 'restart',
        delayMs,
      })),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.record({
          baseMs: fc.integer({ min: 1, max: 60_000 }),
          capMs: fc.integer({ min: 1_000, max: 86_400_000 }),
          maxAttempts: fc.integer({ min: 1, max: 1000 }),
        }),
        (attempt, random, settings) => {
          const decision = fails('killed', attempt, { random, settings });
          expect(decision).toMatchObject({ kind: 'restart', attempt: attempt + 1 });
          const delayMs = decision.kind === 'restart' ? decision.delayMs : -1;
          expect(delayMs).toBeGreaterThanOrEqual(1);
          expect(delayMs).toBeLessThanOrEqual(
            Math.min(settings.capMs, settings.baseMs * 2 ** Math.min(attempt - 1, 40)),
          );
        },
      ),
    );
  });

  it('a cause that may end at any time, and the global instance, are tried at least once a minute', () => {
    for (const reason of EXTERNAL)
      expect(fails(reason, 100, { random: 0.9999999 })).toMatchObject({ delayMs: 60_000 });
    expect(fails('exited', 100, { random: 0.9999999, global: true })).toMatchObject({ delayMs: 60_000 });
    const settings = { ...SETTINGS, capMs: 5_000 };
    expect(fails('disk_full', 100, { random: 0.9999999, settings })).toMatchObject({ delayMs: 5_000 });
  });

  it('a stable run resets the count', () => {
    expect(fails('exited', 9, { uptimeMs: STABLE_AFTER_MS })).toMatchObject({
      kind: 'restart',
      attempt: 1,
      delayMs: 0,
    });
    const short = { uptimeMs: STABLE_AFTER_MS - 1, hasServed: false };
    expect(fails('exited', 9, short)).toMatchObject({ kind: 'give_up' });
  });

  it('an instance that has served is never given up because of crashes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CRASHES),
        fc.nat({ max: 100_000 }),
        fc.nat({ max: 100_000 }),
        (reason, attempt, uptimeMs) => {
          expect(fails(reason, attempt, { uptimeMs })).toMatchObject({ kind: 'restart', maxAttempts: null });
        },
      ),
    );
  });

  it('one that has never served is given up after its attempts', () => {
    const never = { hasServed: false };
    for (const reason of CRASHES) {
      expect(fails(reason, 8, never)).toMatchObject({ kind: 'restart', maxAttempts: 10 });
      expect(fails(reason, 9, never)).toEqual({ kind: 'give_up', attempt: 10, maxAttempts: 10 });
      const settings = { ...SETTINGS, maxAttempts: 2 };
      expect(fails(reason, 1, { ...never, settings })).toMatchObject({ kind: 'give_up', maxAttempts: 2 });
    }
  });

  it('gives up after 3 attempts for a cause that a restart does not fix', () => {
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
