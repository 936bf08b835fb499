import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { networkOf, prefixOf, RateLimitedError, SignInLimits } from './sign-in-limits.ts';

const retryAfter = (seconds: number) =>
  expect.objectContaining({ code: 'rate_limited', retryAfterS: seconds }) as Error;

const SETTINGS = { signInsPerAccount: 3, signInsPerAddress: 5 };

it('limits failed sign-ins to one account from several addresses, in any letter case', async () => {
  const time = new ManualTime();
  const limits = new SignInLimits(SETTINGS, time);
  limits.beginSignIn('ann@example.com', '10.0.0.1').failed();
  limits.beginSignIn('ANN@example.com', '10.0.0.2').failed();
  limits.beginSignIn(' ann@example.com ', '10.0.0.3').failed();
  expect(() => limits.beginSignIn('ann@example.com', '10.0.0.4')).toThrow(RateLimitedError);
  await time.advance(5 * 60_000);
  expect(() => limits.beginSignIn('ann@example.com', '10.0.0.4')).not.toThrow();
});

it('limits failed sign-ins from one address to several accounts', () => {
  const limits = new SignInLimits(SETTINGS, new ManualTime());
  for (let count = 0; count < 5; count += 1) limits.beginSignIn(`${count}@example.com`, '10.0.0.1');
  expect(() => limits.beginSignIn('x@example.com', '10.0.0.1')).toThrow(retryAfter(180));
  expect(() => limits.beginSignIn('x@example.com', '10.0.0.2')).not.toThrow();
});

it('does not count successful sign-ins', () => {
  const limits = new SignInLimits(SETTINGS, new ManualTime());
  for (let count = 0; count < 20; count += 1) limits.beginSignIn('a@example.com', '10.0.0.1').succeeded();
});

it('does not count an attempt whose password was not checked', () => {
  const limits = new SignInLimits(SETTINGS, new ManualTime());
  for (let count = 0; count < 40; count += 1) limits.beginSignIn('a@example.com', '10.0.0.1').dropped();
});

it('does not lock an owner out at an address that has signed in before', () => {
  const limits = new SignInLimits(SETTINGS, new ManualTime());
  limits.beginSignIn('a@example.com', '10.0.0.1').succeeded();
  for (const address of ['10.1.0.1', '10.1.0.2', '10.1.0.3']) {
    limits.beginSignIn('a@example.com', address).failed();
  }
  expect(() => limits.beginSignIn('a@example.com', '10.1.0.4')).toThrow(RateLimitedError);
  expect(() => limits.beginSignIn('a@example.com', '10.0.0.1')).not.toThrow();
});

it('keeps the addresses of other accounts while one account signs in from many', () => {
  const limits = new SignInLimits(SETTINGS, new ManualTime());
  limits.restore('Owner@example.com', '10.0.0.1');
  for (let n = 0; n < 20_001; n += 1) {
    limits.beginSignIn('mal@example.com', `2001:db8:0:${n.toString(16)}::1`).succeeded();
  }
  for (const address of ['10.1.0.1', '10.1.0.2', '10.1.0.3']) {
    limits.beginSignIn('owner@example.com', address).failed();
  }
  expect(() => limits.beginSignIn('owner@example.com', '10.1.0.4')).toThrow(RateLimitedError);
  expect(() => limits.beginSignIn('owner@example.com', '10.0.0.1')).not.toThrow();
});

it('counts a /64 of IPv6 as one network', () => {
  expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
  expect(networkOf('2001:db8:1:2::1')).toBe('2001:db8:1:2::/64');
  expect(networkOf('2001:db8::1')).toBe('2001:db8:0:0::/64');
  expect(networkOf('::1')).toBe('0:0:0:0::/64');
  expect(networkOf('::ffff:10.0.0.1')).toBe('10.0.0.1');
  expect(networkOf('10.0.0.1')).toBe('10.0.0.1');
  expect(prefixOf('2001:db8:1:2:3:4:5:6', 48)).toBe('2001:db8:1::/48');
  expect(prefixOf('10.0.0.1', 48)).toBeNull();
});

it('limits concurrent sign-ins and counts their failures afterwards', async () => {
  const time = new ManualTime();
  const limits = new SignInLimits({ ...SETTINGS, signInsPerAddress: 1000 }, time);
  const attempts = Array.from({ length: 32 }, () => limits.beginSignIn('a@example.com', '10.0.0.1'));
  expect(() => limits.beginSignIn('a@example.com', '10.0.0.1')).toThrow(retryAfter(1));
  for (const attempt of attempts) attempt.failed();
  await time.advance(29 * 5 * 60_000);
  expect(() => limits.beginSignIn('a@example.com', '10.0.0.1')).toThrow(retryAfter(300));
  await time.advance(5 * 60_000);
  expect(() => limits.beginSignIn('a@example.com', '10.0.0.1')).not.toThrow();
});
