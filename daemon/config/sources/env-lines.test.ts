import { parse } from 'dotenv';
import { expect, it } from 'vitest';
import { cutValues, ignoredLines } from './env-lines.ts';

const cut = (text: string) => cutValues(text).map(({ name, quote }) => `${name} ${quote ?? 'none'}`);

it.each([
  ['A=abc#def', ["A '"]],
  ['A=#def', ["A '"]],
  ['export A = abc#def', ["A '"]],
  ['A: abc#def', ["A '"]],
  ["A=it's#def", ['A "']],
  [`A=it's"#def`, ['A `']],
  ['A=it\'s"`#def', ['A none']],
  // An unmatched quote is part of the value.
  ['A="abc#def', ["A '"]],
  ['A=one#1\r\nB=two#2', ["A '", "B '"]],
])('finds the values of %j that are cut', (text, expected) => {
  expect(cut(text)).toEqual(expected);
});

it.each([
  "A='abc#def'",
  'A="abc#def"',
  'A=`abc#def`',
  'A=abc # a comment',
  'A=\t# a comment',
  'A="abc"#a comment',
  '# A=abc#def',
  'A=abc',
  "A='first\nB=one#two\n'",
])('finds nothing in %j', (text) => {
  expect(cut(text)).toEqual([]);
});

it('proposes a quote with which dotenv keeps the whole value', () => {
  const value = 'p4ss#word';
  const [found] = cutValues(`A=${value}`);
  expect(parse(`A=${value}`)['A']).not.toBe(value);
  expect(parse(`A=${found?.quote}${value}${found?.quote}`)['A']).toBe(value);
});

it.each([
  ['A=b\n\n# comment\nexport C=d\n', []],
  ['A=\'b\nc d\ne\'\nB="x" y\nC=`z`#c', []],
  ['A B=c', [{ line: 1, name: 'A B' }]],
  [
    'A="x\ny"\r\nset B=c\r\nC',
    [
      { line: 3, name: 'set B' },
      { line: 4, name: 'C' },
    ],
  ],
])('finds the lines of %j that dotenv skips', (text, expected) => {
  expect(ignoredLines(text)).toEqual(expected);
});
