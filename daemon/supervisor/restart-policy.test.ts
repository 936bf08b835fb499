import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PHASE_REASON_CODES, type PhaseReasonCode } from '../../shared/reasons.ts';
import { afterFailure, MAX_ATTEMPTS, STABLE_AFTER_MS } from './restart-policy.ts';

const HOPELESS: PhaseReasonCode[] = [
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
  options: { uptimeMs?: number; global?: boolean; before?: PhaseReasonCode } = {},
) =>
  afterFailure(
    {
      reason,
      attempt,
      before: options.before ?? null,
      uptimeMs: options.uptimeMs ?? 0,
      mayGiveUp: options.global !== true,
    },
    () => 0.5,
  );

const longest = (attempt: number) =>
  afterFailure(
    { reason: 'port_in_use', attempt, before: null, uptimeMs: 0, mayGiveUp: true },
    () => 0.9999999,
  );

describe('what follows a failure', () => {
  it('the first one is a restart at once, whatever the cause', () => {
    for (const reason of PHASE_REASON_CODES) {
      expect(fails(reason, 0)).toMatchObject({ kind: 'restart', attempt: 1, delayMs: 0 });
    }
  });

  it('what was waited out does not count against what comes after it', () => {
    expect(fails('data_dir_missing', 7, { before: 'volume_missing' })).toMatchObject({ attempt: 1 });
    expect(fails('read_only', 7, { before: 'volume_missing' })).toMatchObject({ attempt: 8 });
    expect(fails('data_dir_missing', 2, { before: 'data_dir_missing' })).toMatchObject({ kind: 'give_up' });
  });

  it('the next ones back off, twice as long each time up to a minute, with full jitter', () => {
    expect([1, 2, 3, 4, 8, 100].map((attempt) => longest(attempt))).toMatchObject(
      [500, 1000, 2000, 4000, 60_000, 60_000].map((delayMs) => ({ kind: 'restart', delayMs })),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, random) => {
          const verdict = afterFailure(
            { reason: 'disk_full', attempt, before: null, uptimeMs: 0, mayGiveUp: true },
            () => random,
          );
          expect(verdict).toMatchObject({ kind: 'restart', attempt: attempt + 1 });
          const delayMs = verdict.kind === 'restart' ? verdict.delayMs : -1;
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(Math.min(60_000, 500 * 2 ** (attempt - 1)));
        },
      ),
    );
  });

  it('a stable run before it makes it the first one again', () => {
    expect(fails('exited', 9, { uptimeMs: STABLE_AFTER_MS })).toMatchObject({
      kind: 'restart',
      attempt: 1,
      delayMs: 0,
    });
    expect(fails('exited', 9, { uptimeMs: STABLE_AFTER_MS - 1 })).toMatchObject({ kind: 'give_up' });
  });

  it('a crash loop ends after its attempts; one without hope after three', () => {
    expect(fails('exited', MAX_ATTEMPTS - 2).kind).toBe('restart');
    expect(fails('exited', MAX_ATTEMPTS - 1)).toEqual({
      kind: 'give_up',
      attempt: MAX_ATTEMPTS,
      maxAttempts: MAX_ATTEMPTS,
    });
    for (const reason of HOPELESS) {
      expect(fails(reason, 1)).toMatchObject({ kind: 'restart', maxAttempts: 3 });
      expect(fails(reason, 2)).toEqual({ kind: 'give_up', attempt: 3, maxAttempts: 3 });
    }
  });

  it('a cause outside the instance is waited for without end, and so is the global instance', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PHASE_REASON_CODES),
        fc.boolean(),
        fc.nat({ max: 100_000 }),
        (reason, global, attempt) => {
          const verdict = fails(reason, attempt, { global });
          if (global || EXTERNAL.includes(reason)) {
            expect(verdict).toMatchObject({ kind: 'restart', maxAttempts: null });
          }
        },
      ),
    );
  });
});
