import { expect, it } from 'vitest';
import { FailedEntries, MAX_PER_ACCOUNT, MAX_PER_MINUTE } from './failed-entries.ts';

const FIRST = new Date('2026-01-01T00:00:00Z');
const NEXT = new Date('2026-01-01T00:01:00Z');
const STRANGER = { actor_kind: 'anonymous', actor: '' } as const;
const account = (actor: string) => ({ actor_kind: 'session', actor }) as const;

it('keeps a number of entries per minute, and counts the others', () => {
  const entries = new FailedEntries();
  const results = Array.from({ length: MAX_PER_MINUTE + 50 }, () => entries.take(STRANGER, FIRST));
  expect(results.filter((omitted) => omitted === 0)).toHaveLength(MAX_PER_MINUTE);
  expect(results.slice(MAX_PER_MINUTE).every((omitted) => omitted === null)).toBe(true);
  expect(entries.take(STRANGER, NEXT)).toBe(50);
  expect(entries.take(STRANGER, NEXT)).toBe(0);
});

it('limits each account, and all accounts together', () => {
  const entries = new FailedEntries();
  const one = Array.from({ length: MAX_PER_ACCOUNT + 5 }, () => entries.take(account('one'), FIRST));
  expect(one.filter((omitted) => omitted !== null)).toHaveLength(MAX_PER_ACCOUNT);
  // With an API key as well.
  expect(entries.take({ actor_kind: 'key', actor: 'one' }, FIRST)).toBeNull();
  expect(entries.take(account('two'), FIRST)).toBe(6);
  const many = Array.from({ length: MAX_PER_MINUTE }, (_, n) => entries.take(account(`many${n}`), FIRST));
  expect(many.filter((omitted) => omitted !== null)).toHaveLength(MAX_PER_MINUTE - MAX_PER_ACCOUNT - 1);
  // Strangers and administrators of the host are not affected.
  expect(entries.take(STRANGER, FIRST)).toBe(0);
  expect(entries.take({ actor_kind: 'local', actor: '' }, FIRST)).toBe(0);
  expect(entries.take(account('one'), NEXT)).toBe(MAX_PER_ACCOUNT + 1);
});
