import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import {
  isOlder,
  isRefusedAfter,
  readLastVersion,
  recordLastVersion,
  writeLastVersion,
} from './last-version.ts';

const empty = () => new DatabaseSync(':memory:');

describe('the version that ran last', () => {
  it('is recorded once for each change', () => {
    using database = empty();
    expect(readLastVersion(database)).toBeNull();
    const record = recordLastVersion('0.40.6');
    expect(record.isNeeded(database)).toBe(true);
    record.apply(database);
    expect(record.isNeeded(database)).toBe(false);
    expect(readLastVersion(database)).toBe('0.40.6');
    writeLastVersion(database, '0.41.0');
    expect(readLastVersion(database)).toBe('0.41.0');
    expect(record.isNeeded(database)).toBe(true);
  });

  it('is not that of a build without a number', () => {
    using database = empty();
    expect(recordLastVersion('(untracked)').isNeeded(database)).toBe(false);
    writeLastVersion(database, '(untracked)');
    expect(readLastVersion(database)).toBeNull();
  });

  it.each([['not a version'], [7], [null], [Buffer.from('0.40.6')]])(
    'is unknown for the value %s',
    (value) => {
      using database = empty();
      database.exec('CREATE TABLE _fathom_pocketbase (version)');
      database.prepare('INSERT INTO _fathom_pocketbase VALUES (?)').run(value);
      expect(readLastVersion(database)).toBeNull();
    },
  );
});

it.each([
  ['0.40.5', '0.40.6', true],
  ['0.40.6', '0.40.6', false],
  ['0.40.10', '0.40.6', false],
  ['0.41.0-rc.1', '0.41.0', true],
  ['(untracked)', '0.40.6', false],
  ['0.40.6', null, false],
])('%s after %s is older: %s', (version, last, expected) => {
  expect(isOlder(version, last)).toBe(expected);
});

it.each([
  ['0.39.1', '0.40.6', false],
  ['0.39.11', '0.40.6', false],
  ['0.40.6', '0.41.0', true],
  ['0.39.0', '0.40.6', true],
  ['0.39.1-fork', '0.40.6', true],
  ['0.40.7-rc.1', '0.40.7', true],
  ['0.40.6', '0.39.1', false],
  ['(untracked)', '0.41.0', false],
])('%s after %s is refused: %s', (version, last, expected) => {
  expect(isRefusedAfter(version, last)).toBe(expected);
});
