import { expect, it } from 'vitest';
import { foldAddress } from './email-address.ts';

it.each([
  ['JÜRGEN@Example.COM', 'jürgen@example.com'],
  ['ju\u0308rgen@example.com', 'jürgen@example.com'],
  ['ＪÜＲＧＥＮ@example.com', 'jürgen@example.com'],
  ['ΟΔΟΣ@example.com', 'οδος@example.com'],
  ['straẞe@example.com', 'strasse@example.com'],
  [' ann@example.com ', 'ann@example.com'],
])('%s folds to %s', (address, folded) => {
  expect(foldAddress(address)).toBe(folded);
  expect(foldAddress(folded)).toBe(folded);
});
