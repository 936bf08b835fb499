import type { Schedule } from '../../../shared/api/schedules.ts';
import { connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable, printWarnings } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';
import { type Common, payloadOf } from './queue-actions.ts';

const COLUMNS: readonly Column<Schedule>[] = [
  { title: 'NAME', cell: ({ name }) => name, cutTo: 16 },
  { title: 'TYPE', cell: ({ task }) => (task as { type: string }).type },
  { title: 'CRON', cell: ({ cron }) => cron },
  { title: 'TIMEZONE', cell: ({ timezone }) => timezone, hide: 2 },
  { title: 'FOR', cell: forWhom, hide: 3 },
  { title: 'NEXT RUN', cell: ({ next_run_at }) => next_run_at },
  { title: 'LAST RUN', cell: ({ last_run_at }) => last_run_at, hide: 1 },
];

function forWhom({ all_databases, task }: Schedule): string | null {
  return all_databases ? 'all databases' : ((task as { user_id?: string }).user_id ?? null);
}

export async function listSchedules(
  args: Common & TableArguments & { check: boolean },
  context: CliContext,
): Promise<number> {
  const { items } = await connect(args, context).schedules.list();
  if (args.json) printJson(context, items);
  else {
    printTable(items, COLUMNS, args, context);
    const warnings = items.flatMap(({ name, error, warning }) =>
      [error, warning].filter((reason) => reason !== undefined).map((reason) => `${name}: ${reason}`),
    );
    printWarnings(warnings, context);
  }
  return args.check && items.some(({ warning }) => warning !== undefined) ? 1 : 0;
}

export async function setSchedule(
  args: Common & {
    name: string;
    type: string;
    cron: string;
    timezone?: string | undefined;
    payload?: string | undefined;
    user?: string | undefined;
    all: boolean;
    spread?: number | undefined;
  },
  context: CliContext,
): Promise<number> {
  const { name, type, cron, timezone, user, all, spread } = args;
  if (spread !== undefined && !all) throw new UsageError('--spread needs --all');
  const task = { type, user_id: user, ...(await payloadOf(args.payload, context)) };
  const schedule = await connect(args, context).schedules.set(name, {
    cron,
    timezone,
    task,
    ...(all && { all_databases: { spread_s: spread } }),
  });
  if (args.json) printJson(context, schedule);
  else {
    printLine(context.stdout, printable(`${name} runs next at ${schedule.next_run_at}`));
    if (schedule.warning !== undefined) printWarnings([schedule.warning], context);
  }
  return 0;
}

export async function removeSchedule(args: Common & { name: string }, context: CliContext): Promise<number> {
  await connect(args, context).schedules.delete(args.name);
  if (args.json) printJson(context, { removed: args.name });
  else printLine(context.stdout, printable(`the schedule ${args.name} is removed`));
  return 0;
}
