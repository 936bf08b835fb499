import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createThemes } from '../theme.ts';
import { paintLine, paintSplit, paintWrapped, type Span } from './line.ts';
import { sparkline } from './sparkline.ts';
import { cut, cutStart, fit, joinFacts, widthOf, wrap, wrapWords } from './text.ts';

it('joins as many facts as fit, and cuts none of them', () => {
  const facts = ['up 2 h', 'http://127.0.0.1:3000', 'pid 812'];
  expect(joinFacts(facts, 60)).toBe('up 2 h · http://127.0.0.1:3000 · pid 812');
  expect(joinFacts(facts, 35)).toBe('up 2 h · http://127.0.0.1:3000');
  expect(joinFacts(facts, 20)).toBe('up 2 h · pid 812');
  expect(joinFacts([], 20)).toBe('');
});

describe('cutStart', () => {
  it.each([
    ['abc', 3, 'abc'],
    ['abcdef', 4, '…def'],
    ['山田太郎', 6, '…太郎'],
    ['山田太郎', 5, '…太郎'],
    ['👩‍🚀👩‍🚀', 3, '…👩‍🚀'],
  ])('%j in %i columns', (text, width, expected) => {
    expect(cutStart(text, width)).toBe(expected);
  });
});

describe('fit', () => {
  it.each([
    ['abc', 5, 'abc  '],
    ['abcdef', 4, 'abc…'],
    ['山田太郎', 8, '山田太郎'],
    ['山田太郎', 6, '山田… '],
    ['a🚀b', 3, 'a… '],
    ['👩‍🚀', 2, '👩‍🚀'],
    ['abc', 1, '…'],
    ['abc', 0, ''],
  ])('%j in %i columns', (text, width, expected) => {
    expect(fit(text, width)).toBe(expected);
  });

  it('aligns to the right', () => {
    expect(fit('12', 5, 'right')).toBe('   12');
  });

  it('always has exactly the width', () => {
    const text = fc.array(fc.constantFrom('a', '山', '🚀', '👩‍🚀', 'é', ' ', '한'), { maxLength: 30 });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 40 }), (parts, width) => {
        expect(widthOf(fit(parts.join(''), width))).toBe(width);
        expect(widthOf(cut(parts.join(''), width))).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('wrap', () => {
  it('keeps the whole text and never exceeds the width', () => {
    const text = '山田 and a 🚀 go for a long walk';
    const lines = wrap(text, 7);
    expect(lines.join('')).toBe(text);
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(7);
    expect(wrap('', 7)).toEqual(['']);
    expect(wrap('abcd', 2)).toEqual(['ab', 'cd']);
  });

  it('breaks between words if possible', () => {
    expect(wrapWords('one two three', 8)).toEqual(['one two', 'three']);
    expect(wrapWords('unbreakable', 4)).toEqual(['unbr', 'eaka', 'ble']);
  });
});

describe('lines', () => {
  const theme = createThemes('16').live;

  it('are cut at the width, across all spans', () => {
    const line = paintLine(
      { paint: (_, text) => text },
      [
        ['bad', 'abc'],
        ['good', 'defg'],
      ],
      5,
    );
    expect(line).toBe('abcd…');
    expect(paintLine(theme, [['bad', 'x']], 5)).toBe('\u001B[31mx\u001B[0m');
  });

  it('keep the right side if there is not enough room for both', () => {
    const plain = { paint: (_: unknown, text: string) => text };
    expect(paintSplit(plain, [['plain', 'left']], [['plain', 'right']], 12)).toBe('left   right');
    expect(paintSplit(plain, [['plain', 'too long']], [['plain', 'right']], 12)).toBe('too l… right');
  });
});

describe('sparkline', () => {
  it('ends at the right edge and keeps noise low', () => {
    expect(sparkline([0, 1, 2], 5, 100)).toBe('  ▁▁▁');
    expect(sparkline([0, 50, 100], 3, 1)).toBe('▁▅█');
    expect(sparkline([1, 2, 3, 4], 2, 4)).toBe('▇█');
    expect(sparkline([], 3, 1)).toBe('   ');
  });
});

describe('paintWrapped', () => {
  const { live } = createThemes('none');
  const spans: Span[] = [
    ['plain', ' failed · corrupt'],
    ['plain', ' — restore it from a backup'],
  ];

  it('wraps into the next row and cuts the last one', () => {
    expect(paintWrapped(live, spans, 24, 3)).toEqual([
      ' failed · corrupt —',
      ' restore it from a',
      ' backup',
    ]);
    expect(paintWrapped(live, spans, 24, 2)).toEqual([' failed · corrupt —', ' restore it from a back…']);
    expect(paintWrapped(live, spans, 80, 2)).toEqual([' failed · corrupt — restore it from a backup', '']);
  });

  it('always has the number of rows, none wider than the width', () => {
    const text = fc.array(fc.constantFrom('a', ' ', '山', '👩‍🚀', 'word '), { maxLength: 40 });
    fc.assert(
      fc.property(
        text,
        fc.integer({ min: 4, max: 30 }),
        fc.integer({ min: 1, max: 4 }),
        (parts, width, rows) => {
          const lines = paintWrapped(live, [['plain', parts.join('')]], width, rows);
          expect(lines).toHaveLength(rows);
          for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});
