import { expect, it } from 'vitest';
import { validateVersion, versionOfIfMatch } from './versions.ts';

it.each([
  ['', undefined],
  ['*', undefined],
  ['"3"', 3],
  ['W/"12"', 12],
  ['3', null],
  ['"3", "4"', null],
  ['"-1"', null],
  ['"1234567890123456"', null],
])('reads If-Match %j as %s', (header, version) => {
  expect(versionOfIfMatch(header)).toBe(version);
});

it('accepts the current version and no version, and rejects others', () => {
  expect(validateVersion(3, 3)).toBeUndefined();
  expect(validateVersion(3, undefined)).toBeUndefined();
  for (const stale of [2, 4, null]) expect(validateVersion(3, stale)?.code).toBe('version_conflict');
});
