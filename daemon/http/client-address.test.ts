import { expect, it } from 'vitest';
import { believedAddress } from './client-address.ts';

const PROXIES = ['127.0.0.1', '10.0.0.0/8', '2001:db8:ff::/48'];

it.each([
  ['198.51.100.7:40001', '198.51.100.7'],
  ['[2001:db8::7]:40001', '2001:db8::7'],
  ['[2001:db8::7]', '2001:db8::7'],
  ['2001:db8::7', '2001:db8::7'],
  ['[::ffff:198.51.100.7]:40001', '198.51.100.7'],
  ['192.0.2.1, 198.51.100.7:40001, 10.0.0.3:443', '198.51.100.7'],
])('believes the address in X-Forwarded-For %s, whatever its port', (forwarded, address) => {
  expect(believedAddress('127.0.0.1', forwarded, PROXIES)).toBe(address);
  expect(believedAddress('::ffff:127.0.0.1', forwarded, PROXIES)).toBe(address);
});

it('believes neither what is no address, nor a peer that is no trusted proxy', () => {
  expect(believedAddress('127.0.0.1', 'unknown', PROXIES)).toBe('127.0.0.1');
  expect(believedAddress('127.0.0.1', '', PROXIES)).toBe('127.0.0.1');
  expect(believedAddress('203.0.113.1', '198.51.100.7:40001', PROXIES)).toBe('203.0.113.1');
});
