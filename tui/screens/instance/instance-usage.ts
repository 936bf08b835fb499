import type { UsageHistory, UsageSample } from '../../../shared/api/usage.ts';
import { type PageRequest, pageOf } from '../../store/pages/pages.ts';
import { byteSize, percent, plural } from '../../store/text/format.ts';
import { paintLine, type Span } from '../../widgets/line.ts';
import { sparkline } from '../../widgets/sparkline.ts';
import { fit } from '../../widgets/text.ts';
import type { View } from '../console.ts';
import { loadingSpan } from '../frame/hints.ts';

const LABEL = 12;
/** For the highest value behind the bars. */
const VALUE = 28;
const MAX_BARS = 84;
const RELOAD_MS = 60_000;
const HOUR_MS = 3_600_000;

/** The history of the usage of an instance. */
export function usageRequest(name: string): PageRequest {
  return {
    slot: 'usage',
    key: name,
    intervalMs: RELOAD_MS,
    load: ({ usage }) => usage.get(name),
  };
}

/** Size and growth, and the usage of a week and of a year as bars. */
export function usageLines(view: View, name: string): string[] {
  const { fleet, theme, size } = view;
  const page = pageOf(fleet, 'usage', name);
  const history = page?.value ?? null;
  if (history === null) {
    const [token, words] = loadingSpan(page, 'loading the usage');
    return [paintLine(theme, [[token, ` ${words}`]], size.columns)];
  }
  const line = (label: string, ...spans: Span[]) =>
    paintLine(theme, [['title', ` ${fit(label, LABEL)}`], ...spans], size.columns);
  return [
    line('Disk', ['plain', sizeText(history)]),
    line('Growth', ...growthSpans(history)),
    '',
    ...chartLines(view, line, { title: '7 days', samples: history.hours, stepMs: HOUR_MS, count: 7 * 24 }),
    '',
    ...chartLines(view, line, {
      title: '365 days',
      samples: history.days,
      stepMs: 24 * HOUR_MS,
      count: 365,
    }),
  ];
}

function sizeText({ disk_bytes: bytes, limits }: UsageHistory): string {
  const limit = limits.disk_bytes === null ? ', without a limit' : ` of ${byteSize(limits.disk_bytes)}`;
  return bytes === null ? 'not measured yet' : `${byteSize(bytes)}${limit}`;
}

function growthSpans({ disk_bytes_per_day: bytes, days_until_limit: days }: UsageHistory): Span[] {
  if (days === 0) return [['bad', 'at its limit']];
  if (bytes === null) return [['muted', 'known after half a day']];
  const change = bytes === 0 ? 'none' : `${bytes < 0 ? '-' : '+'}${byteSize(Math.abs(bytes))} per day`;
  if (days === null) return [['plain', change]];
  const left = days < 1 ? 'in less than a day' : `in ${plural(Math.round(days), 'day')}`;
  return [
    ['plain', change],
    [days <= 7 ? 'warn' : 'muted', `, at its limit ${left}`],
  ];
}

interface Chart {
  title: string;
  samples: readonly UsageSample[];
  stepMs: number;
  /** Number of steps. */
  count: number;
}

function chartLines(
  { fleet, size, theme }: View,
  line: (label: string, ...spans: Span[]) => string,
  { title, samples, stepMs, count }: Chart,
): string[] {
  const room = Math.max(8, Math.min(MAX_BARS, size.columns - LABEL - VALUE - 2));
  const steps = Math.ceil(count / room);
  const grid = { bars: Math.ceil(count / steps), barMs: stepMs * steps, now: fleet.now };
  const row = (
    label: string,
    value: (sample: UsageSample) => number | null,
    format: (value: number) => string,
  ): string => {
    const bars = barsOf(samples, value, grid);
    const known = bars.filter((bar) => bar !== null);
    const highest = known.length === 0 ? 'not measured yet' : `at most ${format(Math.max(...known))}`;
    return line(label, ['accent', sparkline(bars, grid.bars, 1)], ['muted', `  ${highest}`]);
  };
  return [
    paintLine(
      theme,
      [
        ['title', ` ${title}`],
        ['muted', `, the newest at the right`],
      ],
      size.columns,
    ),
    row('Disk', ({ disk_bytes }) => disk_bytes, byteSize),
    row('Memory', ({ memory_bytes }) => memory_bytes, byteSize),
    row(
      'CPU',
      ({ cpu_percent }) => cpu_percent,
      (value) => `${percent(value)} % of one core`,
    ),
  ];
}

/** The highest value of each bar, the newest last; null for a bar without samples. Exported for its test. */
export function barsOf(
  samples: readonly UsageSample[],
  value: (sample: UsageSample) => number | null,
  { bars, barMs, now }: { bars: number; barMs: number; now: number },
): (number | null)[] {
  const result = Array<number | null>(bars).fill(null);
  const newest = Math.floor(now / barMs);
  for (const sample of samples) {
    const at = bars - 1 - (newest - Math.floor(Date.parse(sample.at) / barMs));
    const one = value(sample);
    if (one === null || at < 0 || at >= bars) continue;
    result[at] = Math.max(one, result[at] ?? 0);
  }
  return result;
}
