import { expect, it } from 'vitest';
import { effectiveLimits, type Limits, MAX_LIMIT, readOwnLimits } from './limits.ts';

const settings: Limits = {
  memory_mb: null,
  disk_mb: 1000,
  api_keys: 100,
  sessions: 100,
  streams: 20,
  restarts_per_hour: 60,
  backups_per_day: 10,
  own_backups: 3,
  exports_per_day: 10,
  tasks: 1000,
  sleep_after: 30,
};

it('prefers the limits of the database to those of the plan, and these to the settings', () => {
  const plan = { memory_mb: 256, disk_mb: null, api_keys: 0 };
  const database = { memory_mb: null, disk_mb: 50 };
  expect(effectiveLimits({ settings, plan, database })).toEqual({
    ...settings,
    memory_mb: null,
    disk_mb: 50,
    api_keys: 0,
  });
  expect(effectiveLimits({ settings, plan: {}, database: { disk_mb: undefined } })).toEqual(settings);
});

it('leaves out stored limits that are not valid', () => {
  const stored = {
    memory_mb: -1,
    disk_mb: '500',
    api_keys: 1.5,
    sessions: 0,
    streams: MAX_LIMIT + 1,
    restarts_per_hour: null,
    tasks: 3,
    colour: 'red',
  };
  expect(readOwnLimits(stored)).toEqual({
    limits: { restarts_per_hour: null, tasks: 3 },
    invalid: ['memory_mb', 'disk_mb', 'api_keys', 'sessions', 'streams'],
  });
  expect(readOwnLimits({ sleep_after: 0 })).toEqual({ limits: { sleep_after: 0 }, invalid: [] });
  for (const sleep_after of [null, -1, 5, 6.5]) {
    expect(readOwnLimits({ sleep_after }), String(sleep_after)).toEqual({
      limits: {},
      invalid: ['sleep_after'],
    });
  }
  for (const nothing of [null, undefined, 'text', 7, []]) {
    expect(readOwnLimits(nothing)).toEqual({ limits: {}, invalid: [] });
  }
});
