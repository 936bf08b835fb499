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
  ])('counts the slips between %j and %j', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});

describe('closestWord', () => {
  it('offers the nearest of several', () => {
    expect(closestWord('databses', ['database', 'databases', 'status'])).toBe('databases');
  });

  it('offers nothing for a word that resembles none', () => {
    expect(closestWord('frobnicate', ['databases', 'status'])).toBeNull();
  });

  it('allows a short word one slip only', () => {
    expect(closestWord('ad', ['add'])).toBe('add');
    expect(closestWord('abc', ['add'])).toBeNull();
  });
});
