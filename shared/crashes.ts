/** Consecutive unrequested exits of an instance, see `crashesSchema`. */
export interface Crashes {
  count: number;
  since: string;
  last_at: string;
}

/** From this count on, the crashes of a running instance are a problem of their own. */
const LOOP_FROM = 3;

/** @param crashes undefined for an instance of a daemon of an earlier release */
export function isCrashLoop(crashes: Crashes | null | undefined): crashes is Crashes {
  return (crashes?.count ?? 0) >= LOOP_FROM;
}

const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
];

/** Such as `12 crashes in 10 minutes`. */
export function crashRate({ count, since, last_at }: Crashes): string {
  if (count === 1) return '1 crash';
  const ms = Math.max(1_000, Date.parse(last_at) - Date.parse(since));
  // From two of a unit on, because one would round too much.
  const [name, unit] = UNITS.find(([, size]) => ms >= 2 * size) ?? ['second', 1_000];
  const duration = Math.round(ms / unit);
  return `${count} crashes in ${duration} ${name}${duration === 1 ? '' : 's'}`;
}
