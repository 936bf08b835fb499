import { describe, expect, it } from 'vitest';
import { firstRun, nextRun } from './cron.ts';

function runs(cron: string, timezone: string, after: string, count: number): string[] {
  const found: string[] = [];
  let at = new Date(after);
  while (found.length < count) {
    at = nextRun(cron, timezone, at) ?? expect.fail('there is no next run');
    found.push(at.toISOString());
  }
  return found;
}

describe('the next run of a schedule', () => {
  it('keeps to the local hour when daylight saving begins and ends', () => {
    expect(runs('0 6 * * *', 'Europe/Berlin', '2024-03-29T12:00:00Z', 3)).toEqual([
      '2024-03-30T05:00:00.000Z',
      '2024-03-31T04:00:00.000Z',
      '2024-04-01T04:00:00.000Z',
    ]);
    expect(runs('0 6 * * *', 'Europe/Berlin', '2024-10-25T12:00:00Z', 3)).toEqual([
      '2024-10-26T04:00:00.000Z',
      '2024-10-27T05:00:00.000Z',
      '2024-10-28T05:00:00.000Z',
    ]);
  });

  it('is once on the day on which daylight saving skips its time', () => {
    const found = runs('30 2 * * *', 'Europe/Berlin', '2024-03-30T12:00:00Z', 2);
    expect(found.filter((at) => at.startsWith('2024-03-31'))).toHaveLength(1);
    expect(found[1]).toBe('2024-04-01T00:30:00.000Z');
  });

  it('is once on the day on which its time occurs twice', () => {
    const found = runs('30 2 * * *', 'Europe/Berlin', '2024-10-26T12:00:00Z', 2);
    expect(found.filter((at) => at.startsWith('2024-10-27'))).toHaveLength(1);
    expect(found[1]).toBe('2024-10-28T01:30:00.000Z');
  });

  it.each([
    ['every day', 'UTC'],
    ['0 0 30 2 *', 'UTC'],
    ['2030-01-01T00:00:00', 'UTC'],
    ['2030-01-01T00:00:00Z', 'UTC'],
    ['2030-01-01T00:00', 'UTC'],
    ['0 0 0 1 1 * 2030', 'UTC'],
    ['0 0 * * *', 'Nowhere/Nothing'],
  ])('is refused for %s in %s', (cron, timezone) => {
    expect(() => firstRun(cron, timezone, new Date('2024-01-01T00:00:00Z'))).toThrow(
      expect.objectContaining({ code: 'request.invalid' }) as Error,
    );
  });

  it.each(['@daily', '0 0 29 2 *', '*/5 * * * * *', ' 0 6 * * * '])('is accepted for %s', (cron) => {
    expect(firstRun(cron, 'UTC', new Date('2024-01-01T00:00:00Z')).getTime()).toBeGreaterThan(0);
  });
});
