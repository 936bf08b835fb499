import { describe, expect, it } from 'vitest';
import { planCarryOver } from './carry-over.ts';

const file = (text: string) => Buffer.from(text);

describe('the migrations of a release before', () => {
  it('are carried over where the next release does not have them', () => {
    const before = new Map([
      ['2_own.js', file('own')],
      ['1_shipped.js', file('shipped')],
    ]);
    const next = new Map([
      ['1_shipped.js', file('shipped')],
      ['3_new.js', file('new')],
    ]);
    expect(planCarryOver(before, next)).toEqual({ added: ['2_own.js'], different: [] });
  });

  it('are named where both have another content', () => {
    const both = [new Map([['1.js', file('edited')]]), new Map([['1.js', file('shipped')]])] as const;
    expect(planCarryOver(...both)).toEqual({ added: [], different: ['1.js'] });
  });
});
