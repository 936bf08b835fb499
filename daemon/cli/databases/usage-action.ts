import type { DatabaseUsage, UsageSample } from '../../../shared/api/usage.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

const COLUMNS: readonly Column<DatabaseUsage>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'SIZE', cell: ({ disk_bytes }) => sizeText(disk_bytes) },
  { title: 'LIMIT', cell: ({ limits }) => sizeText(limits.disk_bytes), hide: 2 },
  { title: 'PER DAY', cell: ({ disk_bytes_per_day }) => changeText(disk_bytes_per_day) },
  {
    title: 'DAYS LEFT',
    cell: ({ days_until_limit }) => days_until_limit,
    colour: ({ days_until_limit: days }) =>
      days === null || days > 7 ? null : days === 0 ? 'red' : 'yellow',
  },
  { title: 'MEMORY', cell: ({ memory_bytes }) => sizeText(memory_bytes), hide: 3 },
  { title: 'CPU', cell: ({ cpu_percent }) => percentText(cpu_percent), hide: 4 },
  { title: 'LAST USED', cell: ({ last_used_at: at }) => at?.slice(0, 10) ?? null, hide: 5 },
  { title: 'OWNER', cell: ({ email }) => email, cutTo: 12, hide: 1 },
];

const SAMPLE_COLUMNS: readonly Column<UsageSample>[] = [
  { title: 'DAY', cell: ({ at }) => at.slice(0, 10) },
  { title: 'SIZE', cell: ({ disk_bytes }) => sizeText(disk_bytes) },
  { title: 'MEMORY', cell: ({ memory_bytes }) => sizeText(memory_bytes) },
  { title: 'CPU', cell: ({ cpu_percent }) => percentText(cpu_percent) },
];

/** The usage of all databases, or the daily history of one. */
export async function showUsage(
  args: ConnectArguments & TableArguments & { name: string | undefined },
  context: CliContext,
): Promise<number> {
  const { usage } = connect(args, context);
  if (args.name === undefined) {
    const all = await usage.all();
    if (args.json) printJson(context, all);
    else printTable(all, COLUMNS, args, context);
    return 0;
  }
  const history = await usage.get(args.name);
  if (args.json) {
    printJson(context, history);
    return 0;
  }
  printTable([history], COLUMNS, args, context);
  if (history.days.length > 0) {
    printLine(context.stdout, printable(''));
    printTable(history.days, SAMPLE_COLUMNS, args, context);
  }
  return 0;
}

function sizeText(bytes: number | null): string | null {
  return bytes === null ? null : byteSize(bytes);
}

function changeText(bytes: number | null): string | null {
  if (bytes === null || bytes === 0) return bytes === null ? null : '0 B';
  return `${bytes < 0 ? '-' : '+'}${byteSize(Math.abs(bytes))}`;
}

function percentText(percent: number | null): string | null {
  return percent === null ? null : `${percent} %`;
}
