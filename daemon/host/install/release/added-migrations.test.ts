import { describe, expect, it } from 'vitest';
import { compareMigrations } from './added-migrations.ts';

const file = (text: string) => Buffer.from(text);

describe('compares the migrations of two releases', () => {
  it('finds files that only the former release has', () => {
    const before = new Map([
      ['2_own.js', file('own')],
      ['1_shipped.js', file('shipped')],
    ]);
    const next = new Map([
      ['1_shipped.js', file('shipped')],
      ['3_new.js', file('new')],
    ]);
    expect(compareMigrations(before, next)).toEqual({ added: ['2_own.js'], different: [] });
  });

  it('finds files with different contents', () => {
    const both = [new Map([['1.js', file('edited')]]), new Map([['1.js', file('shipped')]])] as const;
    expect(compareMigrations(...both)).toEqual({ added: [], different: ['1.js'] });
  });
});
