import { expect, it } from 'vitest';
import { releaseName, unusedReleases } from './release.ts';

it('names a release after its version, and adds a hash for another build', () => {
  const stored = new Map([['1.0.0', 'aaaaaaaaaaaa']]);
  expect(releaseName('1.0.1', 'bbbbbbbbbbbb', stored)).toBe('1.0.1');
  expect(releaseName('1.0.0', 'aaaaaaaaaaaa', stored)).toBe('1.0.0');
  expect(releaseName('1.0.0', 'bbbbbbbbbbbb', stored)).toBe('1.0.0-bbbbbbbb');
});

it('keeps linked releases', () => {
  expect(unusedReleases(['1', '2', '3'], ['3', '2'])).toEqual(['1']);
  expect(unusedReleases(['1'], ['1', null])).toEqual([]);
});
