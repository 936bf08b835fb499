import { expect, it } from 'vitest';
import { groupInEntry } from './process-account.ts';

it('reads the primary group of an account', () => {
  expect(groupInEntry('fathom:x:998:997:Fathom:/var/lib/fathom:/usr/sbin/nologin\n', 998)).toBe(997);
});

it.each([
  '',
  'fathom',
  'fathom:x:998::',
  'fathom:x:998:-1:',
  '998:x:1000:1000:a user named like a number:/:/bin/sh',
])('finds no group in %j', (entry) => {
  expect(groupInEntry(entry, 998)).toBeNull();
});
