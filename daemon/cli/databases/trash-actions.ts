import type { DeletedDatabase } from '../../../shared/api/trash.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

const COLUMNS: readonly Column<DeletedDatabase>[] = [
  { title: 'NAME', cell: (one) => one.name },
  { title: 'STATE', cell: (one) => one.state.replace('_', ' ') },
  { title: 'DELETED', cell: (one) => one.deleted_at, hide: 2 },
  { title: 'ERASED ON', cell: (one) => one.erase_at },
  { title: 'LAST BACKUP', cell: (one) => one.last_backup_at, hide: 3 },
  { title: 'WITH ACCOUNT', cell: (one) => (one.account ? 'yes' : 'no'), hide: 4 },
  { title: 'OWNER', cell: (one) => one.email, cutTo: 12, hide: 1 },
  {
    title: 'WHY',
    cell: ({ problem }) => (problem === null ? null : `${problem.message}; ${problem.remedy}`),
    cutTo: 20,
  },
];

/** @returns 1 with `check` when an erasure has a problem */
export async function listDeletedDatabases(
  args: ConnectArguments & TableArguments & { check: boolean },
  context: CliContext,
): Promise<number> {
  const deleted = await connect(args, context).trash.all();
  if (args.json) printJson(context, deleted);
  else printTable(deleted, COLUMNS, args, context);
  return args.check && deleted.some(({ problem }) => problem !== null) ? 1 : 0;
}

type OneDatabase = ConnectArguments & { name: string; json: boolean };

export async function undeleteDatabase(
  { name, json, ...args }: OneDatabase,
  context: CliContext,
): Promise<number> {
  const instance = await connect(args, context).trash.undelete(name);
  if (json) printJson(context, instance);
  else printLine(context.stdout, printable(`${name} is back, and is ${instance.phase}`));
  return 0;
}

/** Erases a deleted database after the caller has typed its name. */
export async function eraseDatabase(
  { name, json, ...args }: OneDatabase,
  context: CliContext,
): Promise<number> {
  const { trash } = connect(args, context);
  const found = (await trash.all()).find((one) => one.name === name);
  const what =
    found?.account === true ? 'The database, its backups and its account' : 'The database and its backups';
  const question = `${what} are erased now. Nothing can bring them back.\nType '${name}' to erase it: `;
  if ((await readConfirmation(printable(question), context)) !== name) {
    throw new UsageError(`that is not '${name}'; nothing was erased`);
  }
  await trash.erase(name);
  const text = `${name} is erased on this host; 'fathomd databases list --deleted' shows it until its backups are erased as well`;
  if (json) printJson(context, { erased: name });
  else printLine(context.stdout, printable(text));
  return 0;
}
