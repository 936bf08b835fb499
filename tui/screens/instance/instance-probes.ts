import type { Instance, Probe } from '../../../shared/api/instances.ts';
import { type PageRequest, pageOf } from '../../store/pages/pages.ts';
import { latency, plural, shortDuration, since, stamp } from '../../store/text/format.ts';
import type { Cursor } from '../../store/view/cursor.ts';
import { paintLine } from '../../widgets/line.ts';
import { sparkline } from '../../widgets/sparkline.ts';
import { type Column, drawTable } from '../../widgets/table.ts';
import type { ConsoleState, View } from '../console.ts';
import { loadingSpan } from '../frame/hints.ts';

/** The last probes of an instance. They are loaded again after each new probe. */
export function probesRequest({ fleet }: ConsoleState, name: string): PageRequest {
  return {
    slot: 'probes',
    key: name,
    version: fleet.instances.get(name)?.probe?.at ?? '',
    load: async ({ databases }) => (await databases.metrics(name)).probes,
  };
}

export function probesId(name: string): string {
  return `probes:${name}`;
}

/** Newest first. */
export function probesOf({ fleet }: ConsoleState, name: string): readonly Probe[] {
  return (pageOf(fleet, 'probes', name)?.value ?? []).toReversed();
}

/** Summary, heading and rows. */
export function probesLines(view: View, instance: Instance, cursor: Cursor, room: number): string[] {
  const { fleet, theme, size } = view;
  const page = pageOf(fleet, 'probes', instance.name);
  if (page === null || page.value === null) {
    const [token, words] = loadingSpan(page, 'loading the probes');
    return ['', paintLine(theme, [[token, ` ${words}`]], size.columns)];
  }
  const probes = probesOf(view, instance.name);
  const columns: Column<Probe>[] = [
    { title: 'TIME', width: 11, text: ({ at }) => stamp(at, fleet.now) },
    { title: 'AGO', width: 5, align: 'right', text: ({ at }) => shortDuration(since(at, fleet.now)) },
    {
      title: 'OUTCOME',
      width: 8,
      text: ({ ok }) => (ok ? '● ok' : '✗ failed'),
      tone: ({ ok }) => (ok ? 'good' : 'bad'),
    },
    { title: 'LATENCY', width: 8, align: 'right', text: ({ latency_ms: ms }) => latency(ms) },
    { title: 'WHY', width: 0, text: ({ error }) => error ?? '', tone: () => 'bad' },
  ];
  const empty = 'No probes yet: they start when the instance is running.';
  return [
    summaryLine(view, probes),
    ...drawTable(theme, { columns, rows: probes, keyOf: ({ at }) => at, cursor, empty }, size.columns, room),
  ];
}

function summaryLine({ theme, size }: View, probes: readonly Probe[]): string {
  const good = probes.filter(({ ok }) => ok);
  const sorted = good.map(({ latency_ms: ms }) => ms).toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const failed = probes.length - good.length;
  const bars = sparkline(
    probes.toReversed().map(({ latency_ms: ms }) => ms),
    Math.min(60, size.columns - 64),
    5,
  );
  return paintLine(
    theme,
    [
      ['plain', ` ${plural(probes.length, 'probe')}`],
      [failed === 0 ? 'muted' : 'bad', `, ${failed} failed`],
      ['muted', median === undefined ? '' : `, median latency ${latency(median)}`],
      ['accent', `  ${bars}`],
    ],
    size.columns,
  );
}
