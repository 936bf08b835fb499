export { byteSize, bytes } from '../../../shared/byte-size.ts';

/** A duration with one unit, for tables: `8 s`, `4 m`, `3 h`, `12 d`. */
export function shortDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} m`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

/** A duration with two units, for sentences: `3 d 4 h`, `4 h 12 m`, `12 m 3 s`. */
export function longDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0 s';
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ');
}

/** Percent of one core, without the sign: `0.4`, `12`, `180`. */
export function percent(value: number): string {
  return value < 9.95 ? value.toFixed(1) : String(Math.round(value));
}

export function latency(ms: number): string {
  return ms < 9.95
    ? `${ms.toFixed(1)} ms`
    : ms < 9950
      ? `${Math.round(ms)} ms`
      : `${Math.round(ms / 1000)} s`;
}

/** `14:03:22` in the local time zone. */
export function clockTime(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '--:--:--';
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((n) => String(n).padStart(2, '0'))
    .join(':');
}

/** `14:03:22` for today, `11-20 14:03` for other days, in the local time zone. */
export function stamp(at: string, now: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime()) || date.toDateString() === new Date(now).toDateString())
    return clockTime(at);
  const day = [date.getMonth() + 1, date.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
  return `${day} ${clockTime(at).slice(0, 5)}`;
}

/** `1 line`, `2 lines`. `many` is for plurals that do not end in `s`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Milliseconds from `at` until `now`; 0 if `at` is later or invalid. */
export function since(at: string, now: number): number {
  const from = Date.parse(at);
  return Number.isNaN(from) ? 0 : Math.max(0, now - from);
}
