import { describe, expect, it } from 'vitest';
import { type Address, hostOf, isPublicAddress, mayConnect, parseAllowedTarget } from './network-targets.ts';

describe('an address', () => {
  it.each([
    '1.1.1.1',
    '93.184.216.34',
    '2606:4700::1111',
    '::ffff:1.1.1.1',
    '64:ff9b::101:101',
    '172.32.0.1',
  ])('%s is public', (address) => expect(isPublicAddress(address)).toBe(true));

  it.each([
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '0:0:0:0:0:ffff:a00:1',
    '::127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::a00:1',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2001:0:53aa:64c:0:0:80ff:fffe',
    'fd00::1',
    'fe80::1',
    'fe80::1%lo',
    'fec0::1',
    'ff02::1',
  ])('%s is not public', (address) => expect(isPublicAddress(address)).toBe(false));

  it.each([
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://[::ffff:7f00:1]/',
  ])('of %s is recognized in its normalized form', (url) =>
    expect(isPublicAddress(hostOf(new URL(url)))).toBe(false),
  );
});

describe('an allowed target', () => {
  it.each([
    ['intranet.example.com', { kind: 'host', host: 'intranet.example.com', port: null }],
    ['localhost:8080', { kind: 'host', host: 'localhost', port: 8080 }],
    ['localhost:80', { kind: 'host', host: 'localhost', port: 80 }],
    ['127.0.0.1:25', { kind: 'host', host: '127.0.0.1', port: 25 }],
    ['[fd00::1]:443', { kind: 'host', host: 'fd00::1', port: 443 }],
    ['127.0.0.1', { kind: 'network', address: '127.0.0.1', prefix: 32 }],
    ['10.0.0.0/8', { kind: 'network', address: '10.0.0.0', prefix: 8 }],
    ['fd00::/8', { kind: 'network', address: 'fd00::', prefix: 8 }],
  ])('%s is parsed', (text, expected) => expect(parseAllowedTarget(text)).toEqual(expected));

  it.each([
    '',
    'http://a.example',
    'a b',
    'a.example/path',
    '10.0.0.0/33',
    'a.example:x',
    '*',
    'user@a.example',
  ])('%s is refused', (text) => expect(parseAllowedTarget(text)).toBeNull());
});

const at = (address: string): Address => ({ address, family: address.includes(':') ? 6 : 4 });

describe('a connection', () => {
  const allowed = ['intranet.example.com', 'localhost:8080', '10.0.0.0/8', 'fd00::/8'].flatMap(
    (text) => parseAllowedTarget(text) ?? [],
  );
  const may = (host: string, port: number, ...addresses: string[]) =>
    mayConnect({ host, port, addresses: addresses.map(at) }, allowed);

  it('is allowed to public addresses, and to targets allowed by name, port or network', () => {
    expect(may('a.example', 443, '1.1.1.1', '2606:4700::1111')).toBe(true);
    expect(may('Intranet.example.com.', 443, '192.168.0.1')).toBe(true);
    expect(may('localhost', 8080, '127.0.0.1', '::1')).toBe(true);
    expect(may('a.example', 443, '10.0.0.7', 'fd00::1', '1.1.1.1')).toBe(true);
  });

  it('is refused otherwise, also when only one of several addresses is not allowed', () => {
    expect(may('localhost', 8081, '127.0.0.1')).toBe(false);
    expect(may('other.intranet.example.com', 443, '192.168.0.1')).toBe(false);
    expect(may('a.example', 443, '1.1.1.1', '127.0.0.1')).toBe(false);
    expect(may('a.example', 443, '::ffff:127.0.0.1')).toBe(false);
  });
});
