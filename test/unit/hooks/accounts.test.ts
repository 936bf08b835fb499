import { describe, expect, it } from 'vitest';
import {
  databaseName,
  endedCredentials,
  fixedEndOf,
  refusalOfDatabase,
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

describe('an account', () => {
  const user = { role: 'user', isActive: true, verified: false };
  const fleet = { requireVerified: false, databases: 3, maxDatabases: null };

  it.each([
    ['a user', {}, {}, null],
    ['a locked user', { isActive: false }, {}, 'forbidden'],
    ['a viewer', { role: 'viewer' }, {}, 'forbidden'],
    ['an admin', { role: 'admin' }, {}, 'forbidden'],
    ['an unverified user where addresses must be proved', {}, { requireVerified: true }, 'unverified'],
    ['a verified user where addresses must be proved', { verified: true }, { requireVerified: true }, null],
    ['a user of a full fleet', {}, { maxDatabases: 3 }, 'full'],
    ['a user of a fleet with one place', {}, { maxDatabases: 4 }, null],
  ])('of %s gets a database if it may', (_, account, state, refusal) => {
    expect(refusalOfDatabase({ ...user, ...account }, { ...fleet, ...state })).toBe(refusal);
  });
});

it.each([1, 42, 999, 1000])('makes a name that the daemon can read, number %i', (number) => {
  const name = databaseName('2026-11-26', number, 'ada');
  expect(parseDatabaseName(name)).toMatchObject({ number });
});

it('limits only tokens that cannot be refreshed', () => {
  expect(fixedEndOf({ exp: 1_800_000_000, refreshable: false })).toBe(1_800_000_000);
  expect(fixedEndOf({ exp: 1_800_000_000, refreshable: true })).toBeNull();
});
