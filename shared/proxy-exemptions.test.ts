import { expect, it } from 'vitest';
import { mergeNoProxy } from './proxy-exemptions.ts';

it.each([
  [undefined, [], 'localhost,127.0.0.1,[::1],::1'],
  ['', ['0.0.0.0', '::'], 'localhost,127.0.0.1,[::1],::1'],
  ['.example.com, 10.0.0.1', ['10.0.0.5'], '.example.com,10.0.0.1,localhost,127.0.0.1,[::1],::1,10.0.0.5'],
  ['127.0.0.1', ['fd00::5'], '127.0.0.1,localhost,[::1],::1,[fd00::5],fd00::5'],
])('adds the addresses of this host to %j', (before, hosts, expected) => {
  expect(mergeNoProxy(before, hosts)).toBe(expected);
});
