import type { Collection } from '../../../shared/api/databases.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

interface BrowseArguments extends ConnectArguments {
  name: string;
  json: boolean;
}

/** Prints JSON in any case: there are too many fields for a table. */
export async function showDatabase(args: BrowseArguments, context: CliContext): Promise<number> {
  printJson(context, await connect(args, context).databases.get(args.name));
  return 0;
}

const COLUMNS: readonly Column<Collection>[] = [
  { title: 'NAME', cell: (one) => one.name },
  { title: 'TYPE', cell: (one) => one.type },
  { title: 'RECORDS', cell: (one) => one.records },
];

export async function listCollections(
  args: BrowseArguments & TableArguments,
  context: CliContext,
): Promise<number> {
  const { items } = await connect(args, context).databases.collections(args.name, { per_page: 500 });
  // Collections of the application come first, as in the console.
  const sorted = items.toSorted((a, b) => Number(a.system) - Number(b.system));
  if (args.json) printJson(context, sorted);
  else printTable(sorted, COLUMNS, args, context);
  return 0;
}

const PER_PAGE = 50;

/** Prints one record per line. With `--json`, prints the response of the daemon. */
export async function listRecords(
  args: BrowseArguments & { collection: string; page: number },
  context: CliContext,
): Promise<number> {
  const { name, collection, page } = args;
  const answer = await connect(args, context).databases.records(name, collection, {
    page,
    per_page: PER_PAGE,
  });
  if (args.json) printJson(context, answer);
  else for (const record of answer.items) printLine(context.stdout, printable(JSON.stringify(record)));
  return 0;
}
