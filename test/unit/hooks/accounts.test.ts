import { describe, expect, it } from 'vitest';
import {
  databaseName,
  endedCredentials,
  fixedEndOf,
  mayHaveDatabase,
} from '../../../pb_hooks/global/rules/accounts.js';
import { parseDatabaseName } from '../../../shared/database-name.ts';

describe('a change of an account', () => {
  const before = { tokenKey: 'key', password: 'hash', role: 'operator' };

  it.each([
    ['nothing', {}, { sessions: false, apiKeys: false }],
    ['the token key', { tokenKey: 'other' }, { sessions: true, apiKeys: false }],
    ['the password', { tokenKey: 'other', password: 'other' }, { sessions: true, apiKeys: true }],
    ['only the hash of the password', { password: 'other' }, { sessions: true, apiKeys: true }],
    ['the role', { role: 'viewer' }, { sessions: false, apiKeys: true }],
  ])('of %s ends the right credentials', (_, change, ended) => {
    expect(endedCredentials(before, { ...before, ...change })).toEqual(ended);
  });
});

it.each([
  ['user', true, true],
  ['user', false, false],
  ['viewer', true, false],
  ['operator', true, false],
  ['admin', true, false],
])('a %s with is_active=%s may have a database: %s', (role, isActive, expected) => {
  expect(mayHaveDatabase({ role, isActive })).toBe(expected);
});

it.each([1, 42, 999, 1000])('makes a name that the daemon can read, number %i', (number) => {
  const name = databaseName('2026-11-26', number, 'ada');
  expect(parseDatabaseName(name)).toMatchObject({ number });
});

it('limits only tokens that cannot be refreshed', () => {
  expect(fixedEndOf({ exp: 1_800_000_000, refreshable: false })).toBe(1_800_000_000);
  expect(fixedEndOf({ exp: 1_800_000_000, refreshable: true })).toBeNull();
});
