import { describe, expect, it } from 'vitest';
import { linesAfter } from './logs-action.ts';

const lines = ['1', '2', '3'].map((at) => ({ at, text: `line ${at}` }));

describe('linesAfter', () => {
  it('shows the last ones of the first snapshot', () => {
    expect(linesAfter(lines, null, 2)).toEqual(lines.slice(1));
    expect(linesAfter(lines, null, 0)).toEqual([]);
    expect(linesAfter(lines, null, 9)).toEqual(lines);
  });

  it('shows only what is new after a reconnection', () => {
    expect(linesAfter(lines, '2', 200)).toEqual(lines.slice(2));
    expect(linesAfter(lines, '3', 200)).toEqual([]);
  });
});
