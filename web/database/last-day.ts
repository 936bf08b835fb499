import type { UsageSample } from '../../shared/api/usage.ts';

const DAY_MS = 86_400_000;

/** The values of the last day that were read, the oldest first. */
export function valuesOfLastDay(
  hours: readonly UsageSample[],
  key: 'disk_bytes' | 'memory_bytes',
  now: number,
): number[] {
  return hours
    .filter(({ at }) => Date.parse(at) > now - DAY_MS)
    .map((sample) => sample[key])
    .filter((value) => value !== null);
}

/** The points of a line in a box, for `polyline`. The lowest value is at the bottom, and equal values are in the middle. */
export function pointsOf(values: readonly number[], width: number, height: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values
    .map((value, index) => {
      const x = (index / (values.length - 1)) * width;
      const y = most === least ? height / 2 : height - ((value - least) / (most - least)) * height;
      return `${Math.round(x)},${Math.round(y)}`;
    })
    .join(' ');
}
