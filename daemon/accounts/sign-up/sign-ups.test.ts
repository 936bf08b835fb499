import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { estimateRequestOf, PasswordStrength } from './password-strength.ts';
import { SignUpLimits } from './sign-up-limits.ts';
import { judgeSignUp } from './sign-up-rule.ts';
import { SignUps } from './sign-ups.ts';

const ROOMY = {
  perAddressAndHour: 100,
  perAddressAndDay: 100,
  perNetworkAndHour: 100,
  perHour: 100,
  perDay: 100,
};
const limitsOf = (settings: Partial<typeof ROOMY>, time = new ManualTime()) =>
  new SignUpLimits({ ...ROOMY, ...settings }, time);
const limited = (seconds: number) =>
  expect.objectContaining({ code: 'rate_limited', retryAfterS: seconds }) as Error;

it.each([
  ['open', null, 500, false, null],
  ['verified', null, 500, false, null],
  ['closed', null, 0, false, 'sign_up.closed'],
  ['closed', 5, 5, true, 'sign_up.closed'],
  ['invited', null, 500, false, 'invitation.required'],
  ['invited', null, 500, true, null],
  ['invited', 5, 5, true, 'databases.limit_reached'],
  ['open', 5, 4, true, null],
  ['open', 5, 5, false, 'databases.limit_reached'],
  ['verified', 5, 6, false, 'databases.limit_reached'],
] as const)(
  'with mode %s and MAX_DATABASES %s, %i databases and an invitation (%s) decide %s',
  (mode, maxDatabases, count, invited, code) => {
    expect(judgeSignUp({ mode, maxDatabases }, { databases: count, invited })?.code ?? null).toBe(code);
  },
);

it('limits sign-ups from one address, in an hour and in a day', async () => {
  const time = new ManualTime();
  const limits = limitsOf({ perAddressAndHour: 2, perAddressAndDay: 3 }, time);
  limits.begin('10.0.0.1');
  limits.begin('10.0.0.1');
  expect(() => limits.begin('10.0.0.1')).toThrow(limited(1800));
  limits.begin('10.0.0.2');
  await time.advance(60 * 60_000);
  limits.begin('10.0.0.1');
  expect(() => limits.begin('10.0.0.1')).toThrow(limited(7 * 3600));
});

it('counts a /64 of IPv6 as one address, and limits a /48', () => {
  const limits = limitsOf({ perAddressAndHour: 1, perNetworkAndHour: 3 });
  limits.begin('2001:db8:1:1::1');
  expect(() => limits.begin('2001:db8:1:1:ffff::2')).toThrow(limited(3600));
  limits.begin('2001:db8:1:2::1');
  limits.begin('2001:db8:1:3::1');
  expect(() => limits.begin('2001:db8:1:4::1')).toThrow(limited(1200));
  limits.begin('2001:db8:2::1');
});

it('limits all sign-ups; rejected ones count for their address only', () => {
  const limits = limitsOf({ perAddressAndHour: 8, perHour: 2 });
  limits.begin('10.0.0.1');
  limits.reject('10.0.0.1');
  limits.begin('10.0.0.1');
  expect(() => limits.reject('10.0.0.1')).not.toThrow();
  expect(() => limits.begin('10.0.0.1')).toThrow(limited(1350));
  limits.begin('10.0.0.2');
  limits.begin('10.0.0.3');
  expect(() => limits.begin('10.0.0.4')).toThrow(limited(1800));
  expect(() => limits.begin('local')).not.toThrow();
});

it('holds a place for each open sign-up', () => {
  let databases = 1;
  const settings = { signUps: { mode: 'open', maxDatabases: 3 } } as const;
  let isHeld = false;
  const signUps = new SignUps({
    limits: limitsOf({}),
    settings,
    countDatabases: () => databases,
    isDiskHeld: () => isHeld,
  });
  const full = expect.objectContaining({ code: 'databases.limit_reached' }) as Error;
  const first = signUps.begin('10.0.0.1', false);
  const second = signUps.begin('10.0.0.1', false);
  expect(() => signUps.begin('10.0.0.1', false)).toThrow(full);
  first.rejected();
  first.rejected();
  const third = signUps.begin('10.0.0.1', false);
  expect(() => signUps.begin('10.0.0.1', false)).toThrow(full);
  databases = 3;
  second.settled();
  third.settled();
  expect(() => signUps.begin('10.0.0.1', false)).toThrow(full);
  databases = 0;
  isHeld = true;
  expect(() => signUps.begin('10.0.0.1', false)).toThrow(full);
  isHeld = false;
  signUps.begin('10.0.0.1', false);
});

it('estimates passwords with what is known of the account', async () => {
  await using strength = Object.assign(new PasswordStrength(new ManualTime()), {
    [Symbol.asyncDispose]: () => strength.close(),
  });
  const account = { email: 'ann.miller@example.com', name: 'Ann Kowalczyk' };
  const isWeak = async (password: string) => (await strength.problemOf({ ...account, password })) !== null;
  const weak = ['        ', 'password1', 'P@ssw0rd', 'ann.miller@example.com', 'kowalczyk1990', '4815162342'];
  const strong = ['correct horse battery staple', 'my dog eats green apples', 'x7Kp2mQ9', 'a-good-password'];
  const verdicts = await Promise.all([...weak, ...strong].map(isWeak));
  expect(verdicts).toEqual([...weak.map(() => true), ...strong.map(() => false)]);
});

it('estimates the first 32 characters', () => {
  const { password } = estimateRequestOf({ password: 'ä'.repeat(35), email: 'a@b.example', name: '' }, 1);
  expect(password).toBe('ä'.repeat(32));
});
