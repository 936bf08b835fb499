import { expect, it } from 'vitest';
import {
  isSameMailbox,
  keyOf,
  markOf,
  markRange,
  problemOf,
} from '../../../pb_hooks/global/rules/addresses.js';
import { foldAddress } from '../../../shared/email-address.ts';

it.each([
  'a@example.com',
  "first.o'hara+tag@mail.example.co.uk",
  'jürgen@example.com',
  '用户@example.com',
  'JÜRGEN@Example.com',
  'ju\u0308rgen@example.com',
  'ΟΔΟΣ@example.com',
  'İnci@example.com',
  '\u212aurt@example.com',
  'a@xn--bcher-kva.example',
  `${'a'.repeat(242)}@example.com`,
])('accepts %s', (address) => {
  expect(problemOf(address)).toBeNull();
});

it.each([
  ['no at sign', 'example.com'],
  ['no local part', '@example.com'],
  ['no top-level domain', 'a@localhost'],
  ['a domain in other letters', 'a@bücher.example'],
  ['quotes', '"a b"@example.com'],
  ['two dots', 'a..b@example.com'],
  ['a space', 'a b@example.com'],
  ['a zero width space', 'a\u200bb@example.com'],
  ['a direction override', 'a\u202eb@example.com'],
  ['a soft hyphen', 'a\u00adb@example.com'],
  ['a tag character', 'a\u{e0041}b@example.com'],
  ['a letter that folds to @', 'a＠b@example.com'],
  ['a letter that folds to a comma', 'a，b@example.com'],
  ['a long s', 'ſam@example.com'],
  ['a sharp s', 'straße@example.com'],
  ['an i without a dot', 'alıce@example.com'],
  ['a ligature', 'ﬁona@example.com'],
  ['wide letters', 'ＡＮＮ@example.com'],
])('refuses %s', (_, address) => {
  expect(problemOf(address)?.code).toBe('validation_is_email');
});

it('refuses more than 254 characters', () => {
  expect(problemOf(`${'a'.repeat(243)}@example.com`)?.code).toBe('validation_length_out_of_range');
});

it.each(['JÜRGEN@Example.com', ' a@example.com ', 'ﬁx@example.com', 'straße@example.com', 'ſ@example.com'])(
  'has the same key for %s as the daemon',
  (address) => {
    expect(keyOf(address)).toBe(foldAddress(address));
  },
);

it('gives all spellings of an address one key', () => {
  expect(keyOf('JÜRGEN@EXAMPLE.COM')).toBe(keyOf('jürgen@example.com'));
  expect(keyOf('a@example.com')).not.toBe(keyOf('b@example.com'));
});

it('finds exactly the marks of a key in its range', () => {
  const { from, to } = markRange('a@example.com');
  const isInRange = (key: string) => key > from && key < to;
  expect(isInRange(markOf('a@example.com', 'user00000000001'))).toBe(true);
  expect(
    ['a@example.com', 'a@example.com.au', markOf('b@example.com', 'user00000000001')].map(isInRange),
  ).toEqual([false, false, false]);
});

it('compares mailboxes by their letters and not by their keys', () => {
  expect(isSameMailbox('JÜRGEN@example.com', 'jürgen@EXAMPLE.com')).toBe(true);
  expect(isSameMailbox('ju\u0308rgen@example.com', 'jürgen@example.com')).toBe(true);
  expect(keyOf('straße@example.com')).toBe(keyOf('strasse@example.com'));
  expect(isSameMailbox('straße@example.com', 'strasse@example.com')).toBe(false);
});
