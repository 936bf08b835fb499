import type { DatabaseBackups, ListedBackup } from '../../../shared/api/backups.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import { messageOf } from '../../../shared/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

/** Requests at the same time. The daemon limits the work with BACKUP_PARALLEL. */
const CONCURRENT = 8;
const MOST_SHOWN = 500;

const FLEET_COLUMNS: readonly Column<DatabaseBackups>[] = [
  { title: 'DATABASE', cell: ({ database }) => database },
  { title: 'BACKED UP', cell: ({ confirmed_at }) => confirmed_at },
  { title: 'LAST BACKUP', cell: ({ last }) => last?.id ?? null, hide: 2 },
  { title: 'PROVEN', cell: ({ proven }) => proven?.at ?? null, hide: 5 },
  { title: 'SIZE', cell: ({ last }) => last && byteSize(last.bytes), hide: 3 },
  { title: 'STORED', cell: ({ last }) => last && byteSize(last.stored_bytes), hide: 4 },
  {
    title: 'PROBLEM',
    cell: (one) => problemOf(one),
    colour: (one) => (problemOf(one) === null ? null : 'red'),
    cutTo: 20,
    hide: 1,
  },
];

function problemOf({ failure, late, drill }: DatabaseBackups): string | null {
  if (failure) return `${failure.reason}: ${failure.message}`;
  if (late) return 'late';
  return drill?.problem === undefined || drill.problem === null ? null : `not proven: ${drill.problem}`;
}

const COLUMNS: readonly Column<ListedBackup>[] = [
  { title: 'BACKUP', cell: ({ id }) => id },
  { title: 'TIME', cell: ({ created_at }) => created_at },
  { title: 'SIZE', cell: ({ bytes, damaged }) => (damaged ? 'damaged' : byteSize(bytes)) },
  { title: 'STORED', cell: ({ stored_bytes }) => byteSize(stored_bytes), hide: 1 },
];

/** The last backup of each database, or all backups of one. */
export async function listBackups(
  args: ConnectArguments & TableArguments & { name: string | undefined },
  context: CliContext,
): Promise<number> {
  const { backups } = connect(args, context);
  if (args.name !== undefined) {
    const { items: found } = await backups.ofDatabase(args.name, { per_page: MOST_SHOWN });
    if (args.json) printJson(context, found);
    else printTable(found, COLUMNS, args, context);
    return 0;
  }
  const fleet = await backups.all();
  if (args.json) printJson(context, fleet);
  else printTable(fleet, FLEET_COLUMNS, args, context);
  return 0;
}

interface Result {
  database: string;
  id: string | null;
  changed: boolean;
  stored_bytes: number;
  problem: string | null;
}

/** Exit 1 when a backup failed. */
export async function createBackups(
  args: ConnectArguments & { json: boolean; all: boolean; names: string[] | undefined },
  context: CliContext,
): Promise<number> {
  const { backups } = connect(args, context);
  const given = args.names ?? [];
  if (args.all === given.length > 0) throw new UsageError('name databases, or use --all');
  // The control plane last, so that it names every database.
  const names = args.all
    ? (await backups.all())
        .map(({ database }) => database)
        .toSorted((a, b) => Number(a === 'global') - Number(b === 'global'))
    : given;
  const slots = new Semaphore(CONCURRENT);
  const end = new AbortController();
  const createOne = async (database: string): Promise<Result> => {
    const release = await slots.acquire(end.signal);
    try {
      const made = await backups.create(database, { only_changed: args.all });
      return { database, id: made.id, changed: made.changed, stored_bytes: made.stored_bytes, problem: null };
    } catch (error) {
      return { database, id: null, changed: false, stored_bytes: 0, problem: messageOf(error) };
    } finally {
      release?.();
    }
  };
  const show = (result: Result) => {
    if (!args.json) printLine(result.problem === null ? context.stdout : context.stderr, lineOf(result));
    return result;
  };
  const others = names.filter((name) => name !== 'global');
  const results = await Promise.all(others.map(async (name) => show(await createOne(name))));
  for (const name of names.filter((one) => one === 'global')) results.push(show(await createOne(name)));
  if (args.json) printJson(context, results);
  return results.some(({ problem }) => problem !== null) ? 1 : 0;
}

function lineOf({ database, id, changed, stored_bytes, problem }: Result): string {
  if (problem !== null) return printable(`${database}: ${problem}`);
  const what = changed ? `${byteSize(stored_bytes)} stored` : 'unchanged since';
  return printable(`${database}: ${what} (${id})`);
}

export async function createRecoveryKey(
  args: ConnectArguments & { json: boolean; replace: boolean },
  context: CliContext,
): Promise<number> {
  const created = await connect(args, context).backups.createRecoveryKey({ replace: args.replace });
  if (args.json) {
    printJson(context, created);
    return 0;
  }
  printLine(context.stdout, created.recovery_key);
  for (const line of [
    'Keep this key outside of this host, for example in a safe and in a password manager.',
    'Fathom does not store it and cannot show it again. With it, the backups and the secrets open without this host.',
    ...(created.problem === null
      ? []
      : [`The backups do not open with it yet: ${created.problem}. The next run tries again.`]),
  ])
    printLine(context.stderr, printable(line));
  return 0;
}
