import { describe, expect, it } from 'vitest';
import { closestWord, editDistance } from './closest.ts';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['stop', 'stop', 0],
    ['stop', 'sotp', 1],
    ['stop', 'stp', 1],
    ['stop', 'stopp', 1],
    ['stop', 'slop', 1],
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
  ])('counts the typing errors between %j and %j', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});

describe('closestWord', () => {
  it('returns the closest candidate', () => {
    expect(closestWord('databses', ['database', 'databases', 'status'])).toBe('databases');
  });

  it('returns null when no candidate is close', () => {
    expect(closestWord('frobnicate', ['databases', 'status'])).toBeNull();
  });

  it('allows fewer typing errors when asked', () => {
    expect(closestWord('IS_SANDBOX', ['PB_SANDBOX'])).toBe('PB_SANDBOX');
    expect(closestWord('IS_SANDBOX', ['PB_SANDBOX'], 1)).toBeNull();
    expect(closestWord('PB_SANBOX', ['PB_SANDBOX'], 1)).toBe('PB_SANDBOX');
  });

  it('allows only one typing error in a short word', () => {
    expect(closestWord('ad', ['add'])).toBe('add');
    expect(closestWord('abc', ['add'])).toBeNull();
  });
});
