import { expect, it } from 'vitest';
import { goEnvironment, oomScoreOf } from './memory-settings.ts';

const NONE = { memoryBytes: null, processors: null };
const SET = { memoryBytes: 300, processors: 2 };

it.each([
  ['a part of the host', 'user', null, NONE, { GOMEMLIMIT: '2000' }],
  ['a part of its limit', 'user', 1000, NONE, { GOMEMLIMIT: '800' }],
  ['the settings', 'user', null, SET, { GOMEMLIMIT: '300', GOMAXPROCS: '2' }],
  [
    'a part of its limit, also below and above the setting',
    'user',
    100,
    SET,
    { GOMEMLIMIT: '80', GOMAXPROCS: '2' },
  ],
  ['a part of its limit, also above the setting', 'user', 1000, SET, { GOMEMLIMIT: '800', GOMAXPROCS: '2' }],
  ['the whole host, when it is the global one', 'global', null, SET, { GOMEMLIMIT: '2000' }],
] as const)('gives the Go runtime of an instance %s', (_what, kind, memoryBytes, settings, expected) => {
  expect(goEnvironment({ kind, memoryBytes }, settings, 8000)).toEqual(expected);
});

it.each([-1000, -500, -100, 0, 300, 900, 1000])(
  'lets the kernel end user instances first, and a daemon with the value %i last',
  (own) => {
    const [global, user] = [oomScoreOf('global', own), oomScoreOf('user', own)];
    expect(user).toBeLessThanOrEqual(1000);
    expect(global).toBeGreaterThanOrEqual(0);
    // At the maximum, all are equal.
    if (own < 1000) expect(global).toBeGreaterThan(own);
    if (own < 900) expect(user).toBeGreaterThan(global);
  },
);
