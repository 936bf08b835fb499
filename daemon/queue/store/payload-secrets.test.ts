import { expect, it } from 'vitest';
import { redactionOf } from './payload-secrets.ts';

const hide = (secrets: string[], value: unknown): unknown =>
  JSON.parse(redactionOf(secrets).redactJson(JSON.stringify(value)));

it.each([
  [
    'a number that holds a secret stays',
    ['1234'],
    { n: 12_345, t: 'x1234y' },
    { n: 12_345, t: 'x[secret]y' },
  ],
  ['a number that is one is hidden', ['1234'], [1234, 1234.5], ['[secret]', 1234.5]],
  ['literals stay', ['true', 'null', 'false'], [true, null, false, 'null'], [true, null, false, '[secret]']],
  ['names are hidden, too', ['hunter22'], { hunter22: 1 }, { '[secret]': 1 }],
  [
    'punctuation of JSON stays',
    ['":{"', '","b'],
    { a: { b: 1 }, c: ['a', 'b'] },
    { a: { b: 1 }, c: ['a', 'b'] },
  ],
  ['what stands in for one is not searched', ['hunter22', 'secret'], 'hunter22 secret', '[secret] [secret]'],
  ['the longest counts', ['abcd', 'abcdefgh'], 'abcdefgh', '[secret]'],
  ['patterns are texts', ['a.*b', '(((('], 'axxb a.*b ((((', 'axxb [secret] [secret]'],
  ['inside JSON in a text', ['a"b\\nc'], JSON.stringify({ k: 'a"b\\nc' }), '{"k":"[secret]"}'],
  ['inside an address', ['a b&c=d'], 'https://x.example/?k=a%20b%26c%3Dd', 'https://x.example/?k=[secret]'],
  ['short ones are left', ['abc'], 'abc', 'abc'],
])('%s', (_, secrets, value, expected) => {
  expect(hide(secrets, value)).toEqual(expected);
});
