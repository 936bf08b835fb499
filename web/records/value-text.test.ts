import { expect, it } from 'vitest';
import { beginOf, previewOf, shownValue } from './value-text.ts';

it.each([
  [null, 'text', { kind: 'empty' }],
  ['', 'file', { kind: 'empty' }],
  [[], 'relation', { kind: 'empty' }],
  [0, 'number', { kind: 'text', text: '0' }],
  [false, 'bool', { kind: 'text', text: 'false' }],
  ['[redacted]', 'password', { kind: 'hidden' }],
  ['a.png', 'file', { kind: 'list', items: ['a.png'] }],
  [['r1', 'r2'], 'relation', { kind: 'list', items: ['r1', 'r2'] }],
  ['2026-11-27 18:48:01.133Z', 'autodate', { kind: 'time', at: '2026-11-27 18:48:01.133Z' }],
  ['not a time', 'date', { kind: 'text', text: 'not a time' }],
  [{ a: 1 }, 'json', { kind: 'code', text: '{\n  "a": 1\n}' }],
  ['<b>bold</b>', 'editor', { kind: 'text', text: '<b>bold</b>' }],
])('shows %j of the type %s', (value, type, shown) => {
  expect(shownValue(value, type)).toEqual(shown);
});

it('does not cut a character in half', () => {
  expect(beginOf('ab🙂', 3)).toBe('ab');
});

it('previews the first values that are not empty, and cuts them', () => {
  const fields = ['id', 'first', 'second', 'third'].map((name) => ({ name, type: 'text', hidden: false }));
  expect(previewOf({ id: 'r1', first: '', second: 'x'.repeat(99), third: 'y' }, fields)).toEqual([
    { name: 'second', text: `${'x'.repeat(60)}…` },
    { name: 'third', text: 'y' },
  ]);
});
