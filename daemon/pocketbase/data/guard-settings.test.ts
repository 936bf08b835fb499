import { networkInterfaces } from 'node:os';
import { expect, it } from 'vitest';
import type { LimitsConfig } from '../../config/limits.ts';
import { allowDaemonAddresses, daemonAddresses, guardSettings } from './guard-settings.ts';

it.each([
  ['127.0.0.1', ['127.0.0.1', '::1']],
  ['0.0.0.0', ['127.0.0.1', '::1']],
  ['::', ['127.0.0.1', '::1']],
  ['10.0.0.5', ['127.0.0.1', '::1', '10.0.0.5']],
  ['localhost', ['127.0.0.1', '::1']],
])('the daemon connects to %s from %j', (bindAddress, addresses) => {
  expect(daemonAddresses(bindAddress)).toEqual(addresses);
});

it('the daemon connects to a host name from any address of this host', () => {
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const others = own.filter(({ internal }) => !internal).map(({ address }) => address);
  expect(daemonAddresses('db.example.com').toSorted()).toEqual(['127.0.0.1', '::1', ...others].toSorted());
});

it.each([
  [undefined, ['127.0.0.1', '::1']],
  [[], ['127.0.0.1', '::1']],
  ['10.0.0.5', ['127.0.0.1', '::1']],
  [
    ['0.0.0.0/0', '::/0'],
    ['0.0.0.0/0', '::/0', '127.0.0.1', '::1'],
  ],
  [['127.0.0.1', '::1'], null],
  [['203.0.113.9'], ['203.0.113.9', '127.0.0.1', '::1']],
  [
    ['::1', '10.0.0.0/8'],
    ['::1', '10.0.0.0/8', '127.0.0.1'],
  ],
])('changes the superuser addresses %j to %j', (superuserIPs, expected) => {
  const changed = allowDaemonAddresses({ meta: {}, superuserIPs }, daemonAddresses('127.0.0.1'));
  expect(changed).toEqual(expected === null ? null : { meta: {}, superuserIPs: expected });
});

it('limits all requests of guests alone in a user database, under each prefix', () => {
  const limits = { requestsPerMinute: 6_000, signInsPerAddress: 100 } as LimitsConfig;
  const { rateLimits } = guardSettings({ limits, trustedProxies: [], general: '@guest', exempt: [] });
  const prefixes = rateLimits.rules.filter(({ label }) => label.startsWith('/'));
  expect(prefixes.map(({ label, audience }) => [label, audience])).toEqual([
    ['/api/', '@guest'],
    ['/', '@guest'],
  ]);
});
