import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatLocalTime, localZone, parseLocalTime } from './local-time.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.each(['UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Kiritimati'])('in %s', (zone) => {
  beforeEach(() => {
    vi.stubEnv('TZ', zone);
  });

  it.each([
    ['14:05:30', [2026, 10, 27, 14, 5, 30]],
    ['9:05', [2026, 10, 27, 9, 5]],
    [' 00:00:00 ', [2026, 10, 27, 0, 0]],
    ['2026-11-26T14:05:30', [2026, 10, 26, 14, 5, 30]],
    ['2026-11-26 14:05:30', [2026, 10, 26, 14, 5, 30]],
    ['2026-11-26 14:05:30.250', [2026, 10, 26, 14, 5, 30, 250]],
  ] as const)('reads %j', (text, [year, month, ...rest]) => {
    const time = new Date(year, month, ...rest);
    expect(parseLocalTime(text, new Date(2026, 10, 27, 15))).toEqual(time);
  });

  it.each([
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['2026-11-26t14:05:30z', '2026-11-26T14:05:30.000Z'],
    ['2026-11-26 14:05:30 +01:00', '2026-11-26T13:05:30.000Z'],
    ['2026-11-26T14:05:30.123456-03:30', '2026-11-26T17:35:30.123Z'],
  ])('reads %s', (text, time) => {
    expect(parseLocalTime(text, new Date()).toISOString()).toBe(time);
  });

  it.each([
    '',
    'yesterday',
    '14:5',
    '２:05',
    '2026-11-26',
    '14:05:30Z; reboot',
    '+275760-09-13T00:00:00Z',
    '9'.repeat(300),
  ])('refuses %j', (text) => {
    expect(() => parseLocalTime(text, new Date())).toThrow('is not a time');
  });

  it.each([
    '24:00:00',
    '14:60',
    '14:05:60',
    '2026-13-01T00:00:00Z',
    '2026-11-26T24:00:00Z',
    '2026-02-29T10:00:00Z',
    '2026-02-30 10:00',
    '2026-11-31T10:00:00',
    '2026-11-26T10:00:00+99:99',
  ])('refuses %j, which does not exist', (text) => {
    expect(() => parseLocalTime(text, new Date())).toThrow('does not exist; correct');
  });
});

it('names the time zone, and writes what it reads', () => {
  vi.stubEnv('TZ', 'Asia/Tokyo');
  expect(localZone()).toBe('Asia/Tokyo');
  const at = new Date('2026-11-27T14:05:30.900Z');
  expect(formatLocalTime(at)).toBe('2026-11-27 23:05:30');
  expect(parseLocalTime(formatLocalTime(at), at)).toEqual(new Date('2026-11-27T14:05:30Z'));
});

describe('when the clocks change', () => {
  it.each([
    ['Europe/Berlin', '2026-03-29 02:30'],
    ['Australia/Lord_Howe', '2026-10-04 02:15'],
    ['America/New_York', '2026-03-08T02:00:00'],
    // A day was left out.
    ['Pacific/Apia', '2011-12-30 12:00'],
  ])('refuses a time that does not exist in %s', (zone, text) => {
    vi.stubEnv('TZ', zone);
    expect(() => parseLocalTime(text, new Date())).toThrow(`does not exist in ${zone}`);
  });

  it('refuses a time that is twice, and names both', () => {
    vi.stubEnv('TZ', 'Europe/Berlin');
    const both = ['2026-10-25T02:30:00+02:00', '2026-10-25T02:30:00+01:00'];
    expect(() => parseLocalTime('2026-10-25 02:30:00', new Date())).toThrow(`write ${both.join(' or ')}`);
    expect(both.map((text) => parseLocalTime(text, new Date()).toISOString())).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:30:00.000Z',
    ]);
  });

  it.each([
    ['2026-03-29 01:59:59', '2026-03-29T00:59:59.000Z'],
    ['2026-03-29 03:00:00', '2026-03-29T01:00:00.000Z'],
    ['2026-10-25 01:59:59', '2026-10-24T23:59:59.000Z'],
    ['2026-10-25 03:00:00', '2026-10-25T02:00:00.000Z'],
  ])('reads %s, which is beside the change', (text, time) => {
    vi.stubEnv('TZ', 'Europe/Berlin');
    expect(parseLocalTime(text, new Date()).toISOString()).toBe(time);
  });
});
