/** How long backups are kept: the newest of each of the last N hours, days, … that have one. */
export interface KeepRule {
  hours: number;
  days: number;
  weeks: number;
  months: number;
  years: number;
}

const UNITS = { h: 'hours', d: 'days', w: 'weeks', m: 'months', y: 'years' } as const;
const MAX_COUNT = 1000;

/** Reads `24h,7d,4w,6m`. Null when it is invalid, or keeps nothing. */
export function parseKeepRule(text: string): KeepRule | null {
  const rule: KeepRule = { hours: 0, days: 0, weeks: 0, months: 0, years: 0 };
  for (const part of text.split(',')) {
    const [, digits = '', letter = ''] = /^\s*(\d{1,4})([hdwmy])\s*$/.exec(part) ?? [];
    const [count, unit] = [Number(digits), UNITS[letter as keyof typeof UNITS]];
    if (unit === undefined || count < 1 || count > MAX_COUNT || rule[unit] > 0) return null;
    rule[unit] = count;
  }
  return rule;
}
