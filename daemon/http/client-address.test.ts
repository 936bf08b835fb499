import { expect, it } from 'vitest';
import { resolveClientAddress } from './client-address.ts';

const PROXIES = ['127.0.0.1', '10.0.0.0/8', '2001:db8:ff::/48'];

it.each([
  ['198.51.100.7:40001', '198.51.100.7'],
  ['[2001:db8::7]:40001', '2001:db8::7'],
  ['[2001:db8::7]', '2001:db8::7'],
  ['2001:db8::7', '2001:db8::7'],
  ['[::ffff:198.51.100.7]:40001', '198.51.100.7'],
  ['192.0.2.1, 198.51.100.7:40001, 10.0.0.3:443', '198.51.100.7'],
])('takes the address without its port from X-Forwarded-For %s', (forwarded, address) => {
  expect(resolveClientAddress('127.0.0.1', forwarded, PROXIES)).toBe(address);
  expect(resolveClientAddress('::ffff:127.0.0.1', forwarded, PROXIES)).toBe(address);
});

it('ignores a value that is not an address, and a peer that is not a trusted proxy', () => {
  expect(resolveClientAddress('127.0.0.1', 'unknown', PROXIES)).toBe('127.0.0.1');
  expect(resolveClientAddress('127.0.0.1', '', PROXIES)).toBe('127.0.0.1');
  expect(resolveClientAddress('203.0.113.1', '198.51.100.7:40001', PROXIES)).toBe('203.0.113.1');
});
