import { assert, constantFrom, date, integer, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyText } from '../test/helpers/any-text.ts';
import { isDatabaseName, parseDatabaseName, usernameOf, utcDay } from './database-name.ts';

/** Builds a name like the hook of the global PocketBase does. */
function nameOf(number: number, username: string): string {
  return `2024-01-15-${String(number).padStart(3, '0')}-${username}`;
}

describe('usernameOf', () => {
  it.each([
    ['johndoe@example.com', 'johndoe'],
    ['John.Doe+tag@example.com', 'johndoetag'],
    ['snake_case-dash@example.com', 'snake_case-dash'],
    ['../../etc@x.y', 'etc'],
    ['"a@b"@example.com', 'ab'],
    ['@example.com', 'user'],
    ['用户@example.com', 'user'],
    ['ÄÖÜ@example.com', 'user'],
    ['', 'user'],
    ['no-at-sign', 'no-at-sign'],
    [`${'a'.repeat(300)}@example.com`, 'a'.repeat(40)],
  ])('derives the username from %s', (email, username) => {
    expect(usernameOf(email)).toBe(username);
  });

  it('returns a valid username for any text', () => {
    assert(
      property(anyText(), integer({ min: 1, max: 100_000 }), (email, number) => {
        const name = nameOf(number, usernameOf(email));
        expect(parseDatabaseName(name)).toEqual({ day: '2024-01-15', number, username: usernameOf(email) });
        expect(name).not.toMatch(/[^a-z0-9_-]/);
      }),
    );
  });
});

describe('names of databases', () => {
  it('have a number of at least three digits', () => {
    expect([1, 42, 999, 1000].map((number) => parseDatabaseName(nameOf(number, 'johndoe')))).toEqual(
      [1, 42, 999, 1000].map((number) => ({ day: '2024-01-15', number, username: 'johndoe' })),
    );
  });

  it.each([
    '',
    '.',
    '..',
    'global',
    '2024-01-15-001-',
    '2024-01-15-01-johndoe',
    '2024-01-15-0001-johndoe',
    '2024-13-01-001-johndoe',
    '2024-01-15-001-JohnDoe',
    '2024-01-15-001-john/doe',
    '2024-01-15-001-john.doe',
    '2024-01-15-001-johndoe\n',
    '\n2024-01-15-001-johndoe',
    '../2024-01-15-001-johndoe',
    '.staging-2024-01-15-001-johndoe',
    `2024-01-15-001-${'a'.repeat(41)}`,
    '2024-01-15-001-john\u0000doe',
  ])('reject %j', (text) => {
    expect(isDatabaseName(text)).toBe(false);
  });

  it('never contain path separators or other special characters', () => {
    assert(
      property(
        string(),
        constantFrom('/', '\\', '\0', '.', ' ', '\n', '%'),
        integer({ min: 0, max: 22 }),
        (text, bad, at) => {
          const name = '2024-01-15-001-johndoe';
          expect(isDatabaseName(name.slice(0, at) + bad + text + name.slice(at))).toBe(false);
        },
      ),
    );
  });
});

describe('utcDay', () => {
  it('returns the UTC day, independent of the time zone', () => {
    expect(utcDay(new Date('2024-01-15T23:59:59.999Z'))).toBe('2024-01-15');
    expect(utcDay(new Date('2024-01-16T00:30:00+02:00'))).toBe('2024-01-15');
    assert(
      property(date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (at) => {
        expect(isDatabaseName(`${utcDay(at)}-001-x`)).toBe(true);
      }),
    );
  });
});
