import { text } from 'node:stream/consumers';
import type { DeadGroup, Task, TaskSummary, TaskType } from '../../../shared/api/queue.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { TaskStatus } from '../../../shared/task.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, type Colour, printJson, printLine } from '../context.ts';
import { checkLimit } from '../input/argument-values.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable, printWarnings } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

const STATUS_COLOURS: Readonly<Record<TaskStatus, Colour>> = {
  pending: 'yellow',
  processing: 'green',
  done: 'dim',
  failed: 'red',
  dead: 'red',
  cancelled: 'dim',
};

/** @param emails addresses of the users of tasks, by user id */
const taskColumns = (emails: ReadonlyMap<string, string>): readonly Column<TaskSummary>[] => [
  { title: 'ID', cell: (task) => task.id },
  { title: 'TYPE', cell: (task) => task.type },
  { title: 'STATUS', cell: (task) => task.status, colour: (task) => STATUS_COLOURS[task.status] },
  { title: 'ATTEMPTS', cell: (task) => `${task.attempts}/${task.max_attempts}` },
  { title: 'RUN AT', cell: (task) => task.run_at, hide: 3 },
  { title: 'CHANGED', cell: (task) => task.updated, hide: 2 },
  {
    title: 'FOR',
    cutTo: 12,
    hide: 1,
    cell: ({ user_id }) => (user_id === null ? null : (emails.get(user_id) ?? user_id)),
  },
  { title: 'WHY', cell: whyOf, cutTo: 20 },
];

const DEAD_COLUMNS: readonly Column<DeadGroup>[] = [
  { title: 'TASKS', cell: (group) => group.count },
  { title: 'LAST', cell: (group) => group.last },
  { title: 'SIGNATURE', cell: (group) => group.signature, cutTo: 20 },
];

const TYPE_COLUMNS: readonly Column<TaskType>[] = [
  { title: 'TYPE', cell: ({ type }) => type },
  { title: 'WAITING', cell: ({ max_waiting }) => max_waiting },
  { title: 'PER HOUR', cell: ({ per_hour }) => per_hour },
  { title: 'TITLE', cell: ({ title }) => title, cutTo: 20 },
];

function whyOf({ status, last_error, progress_message }: TaskSummary): string {
  return status === 'done' ? progress_message : (last_error ?? progress_message);
}

export interface Common extends ConnectArguments {
  json: boolean;
}

export async function listTasks(
  args: Common &
    TableArguments & { status?: TaskStatus | undefined; type?: string | undefined; limit: number },
  context: CliContext,
): Promise<number> {
  checkLimit(args.limit);
  const { status, type, limit } = args;
  const client = connect(args, context);
  const { items } = await client.queue.list({ status, type, per_page: limit });
  if (args.json) printJson(context, items);
  else {
    const columns = taskColumns(await emailsFor(items, client));
    printTable(items, columns, args, context);
  }
  return 0;
}

export async function listTypes(args: Common & TableArguments, context: CliContext): Promise<number> {
  const { items } = await connect(args, context).queue.types({});
  if (args.json) printJson(context, items);
  else printTable(items, TYPE_COLUMNS, args, context);
  return 0;
}

/** Empty if the caller may read tasks but no databases. The table then shows user ids. */
async function emailsFor(
  tasks: readonly TaskSummary[],
  { databases }: FathomClient,
): Promise<ReadonlyMap<string, string>> {
  if (tasks.every(({ user_id }) => user_id === null)) return new Map();
  try {
    const known = await databases.all();
    return new Map(known.flatMap(({ user_id, email }) => (user_id && email ? [[user_id, email]] : [])));
  } catch (error) {
    if (error instanceof FathomError && error.code === 'auth.forbidden') return new Map();
    throw error;
  }
}

export async function showTask(args: Common & { id: string }, context: CliContext): Promise<number> {
  const task = await connect(args, context).queue.get(args.id);
  if (args.json) printJson(context, task);
  else {
    for (const line of taskLines(task)) printLine(context.stdout, printable(line));
    if (task.warning !== undefined) printWarnings([task.warning], context);
  }
  return 0;
}

export interface AddArguments extends Common {
  type: string;
  payload?: string | undefined;
  secret: boolean;
  user?: string | undefined;
  priority?: number | undefined;
  runAt?: string | undefined;
  maxAttempts?: number | undefined;
  timeout?: number | undefined;
  uniqueKey?: string | undefined;
}

export async function addTask(args: AddArguments, context: CliContext): Promise<number> {
  const task = await connect(args, context).queue.add({
    type: args.type,
    secret: args.secret || undefined,
    user_id: args.user,
    priority: args.priority,
    run_at: args.runAt,
    max_attempts: args.maxAttempts,
    timeout_s: args.timeout,
    unique_key: args.uniqueKey,
    ...(await payloadOf(args.payload, context)),
  });
  return printTask(task, args, context);
}

export async function retryTask(
  args: Common & { id: string; signature: boolean },
  context: CliContext,
): Promise<number> {
  const { queue } = connect(args, context);
  if (!args.signature) return printTask(await queue.retry(args.id), args, context);
  const { ids } = await queue.retryDead({ signature: args.id });
  if (args.json) printJson(context, ids);
  else
    printLine(
      context.stdout,
      ids.length === 1 ? 'one task is pending again' : `${ids.length} tasks are pending again`,
    );
  return 0;
}

export async function cancelTask(args: Common & { id: string }, context: CliContext): Promise<number> {
  return printTask(await connect(args, context).queue.cancel(args.id), args, context);
}

export async function pauseQueue(
  action: 'pause' | 'resume',
  args: Common,
  context: CliContext,
): Promise<number> {
  const stats = await connect(args, context).queue[action]();
  if (args.json) printJson(context, stats);
  else {
    const waiting = `${stats.counts.pending} pending, ${stats.counts.processing} processing`;
    printLine(context.stdout, `the queue is ${stats.paused ? 'paused' : 'working'} (${waiting})`);
  }
  return 0;
}

export async function listDead(
  args: Common & TableArguments & { check: boolean },
  context: CliContext,
): Promise<number> {
  const { items } = await connect(args, context).queue.dead();
  if (args.json) printJson(context, items);
  else printTable(items, DEAD_COLUMNS, args, context);
  return args.check && items.length > 0 ? 1 : 0;
}

function printTask(task: Task, args: Common, context: CliContext): number {
  if (args.json) printJson(context, task);
  else {
    const stopping = task.status === 'processing' && task.cancel_requested ? ', it is being stopped' : '';
    printLine(context.stdout, printable(`${task.id} ${task.type} is ${task.status}${stopping}`));
    if (task.warning !== undefined) printWarnings([task.warning], context);
  }
  return 0;
}

/** The JSON of `--payload`; `-` reads it from stdin. @throws UsageError */
export async function payloadOf(
  given: string | undefined,
  { stdin }: CliContext,
): Promise<{ payload?: unknown }> {
  if (given === undefined) return {};
  return { payload: parsePayload(given === '-' ? await text(stdin) : given) };
}

function parsePayload(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // The text is not shown: it may contain secrets.
    throw new UsageError(`--payload needs JSON, like '{"days": 7}'`);
  }
}

function taskLines(task: Task): string[] {
  const fields: [string, unknown][] = [
    ['id', task.id],
    ['type', task.type],
    ['status', task.status],
    ['user', task.user_id],
    ['attempts', `${task.attempts} of ${task.max_attempts}`],
    ['run at', task.run_at],
    ['worker', task.worker_id],
    ['progress', `${task.progress} % ${task.progress_message}`],
    ['finished', task.finished_at],
    [
      'payload',
      task.secret ? `${JSON.stringify(task.payload)} and what is secret` : JSON.stringify(task.payload),
    ],
    ['result', JSON.stringify(task.result)],
    ['answer', task.answer],
  ];
  return [
    ...fields
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name.padEnd(10)}${String(value)}`),
    ...(task.errors ?? []).map(
      ({ at, attempt, message, causes = [] }) =>
        `error     ${at}  attempt ${attempt}: ${[message, ...causes].join(' ← ')}`,
    ),
  ];
}
