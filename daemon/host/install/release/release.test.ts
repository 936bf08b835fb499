import { expect, it } from 'vitest';
import { releaseName, superfluous } from './release.ts';

it('names a release after its version, and another build of it differently', () => {
  const there = new Map([['1.0.0', 'aaaaaaaaaaaa']]);
  expect(releaseName('1.0.1', 'bbbbbbbbbbbb', there)).toBe('1.0.1');
  expect(releaseName('1.0.0', 'aaaaaaaaaaaa', there)).toBe('1.0.0');
  expect(releaseName('1.0.0', 'bbbbbbbbbbbb', there)).toBe('1.0.0-bbbbbbbb');
});

it('the current release and the one before are kept', () => {
  expect(superfluous(['1', '2', '3'], ['3', '2'])).toEqual(['1']);
  expect(superfluous(['1'], ['1', null])).toEqual([]);
});
