import { expect, it } from 'vitest';
import { createRedaction } from './payload-secrets.ts';

const hide = (secrets: string[], value: unknown): unknown =>
  JSON.parse(createRedaction(secrets).redactJson(JSON.stringify(value)));

it.each([
  [
    'keeps a number that contains a secret',
    ['1234'],
    { n: 12_345, t: 'x1234y' },
    { n: 12_345, t: 'x[secret]y' },
  ],
  ['hides a number that equals a secret', ['1234'], [1234, 1234.5], ['[secret]', 1234.5]],
  ['keeps literals', ['true', 'null', 'false'], [true, null, false, 'null'], [true, null, false, '[secret]']],
  ['hides names', ['hunter22'], { hunter22: 1 }, { '[secret]': 1 }],
  [
    'keeps the punctuation of JSON',
    ['":{"', '","b'],
    { a: { b: 1 }, c: ['a', 'b'] },
    { a: { b: 1 }, c: ['a', 'b'] },
  ],
  ['does not search replacements again', ['hunter22', 'secret'], 'hunter22 secret', '[secret] [secret]'],
  ['replaces the longest secret', ['abcd', 'abcdefgh'], 'abcdefgh', '[secret]'],
  ['takes secrets literally, not as patterns', ['a.*b', '(((('], 'axxb a.*b ((((', 'axxb [secret] [secret]'],
  [
    'hides secrets in JSON inside a string',
    ['a"b\\nc'],
    JSON.stringify({ k: 'a"b\\nc' }),
    '{"k":"[secret]"}',
  ],
  [
    'hides secrets in a URL',
    ['a b&c=d'],
    'https://x.example/?k=a%20b%26c%3Dd',
    'https://x.example/?k=[secret]',
  ],
  ['keeps short secrets', ['abc'], 'abc', 'abc'],
])('%s', (_, secrets, value, expected) => {
  expect(hide(secrets, value)).toEqual(expected);
});
