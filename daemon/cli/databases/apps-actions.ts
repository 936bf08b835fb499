import type { ApplicationCheck, ApplicationView } from '../../../shared/api/applications.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson } from '../context.ts';
import { printMessage } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

const COLUMNS: readonly Column<ApplicationView>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'VERSION', cell: ({ version }) => version },
  { title: 'NEW DATABASES', cell: ({ chosen }) => (chosen ? 'yes' : 'no') },
  { title: 'DATABASES', cell: ({ databases }) => String(databases) },
  { title: 'MIGRATIONS', cell: ({ migrations }) => String(migrations) },
  { title: 'HOOKS', cell: ({ hooks }) => String(hooks) },
  { title: 'FILES', cell: ({ public_files }) => String(public_files) },
  { title: 'DESCRIPTION', cell: ({ description }) => description || null, hide: 1 },
];

export async function listApps(
  args: ConnectArguments & TableArguments,
  context: CliContext,
): Promise<number> {
  const list = await connect(args, context).applications.list();
  if (args.json) printJson(context, list);
  else {
    printTable(list.applications, COLUMNS, args, context);
    if (list.problem)
      printMessage(context, `databases keep the last good applications: ${list.problem.message}`);
  }
  return 0;
}

/** Exit 1 when an application does not work. */
export async function checkApps(
  args: ConnectArguments & { json: boolean; name?: string[] | undefined },
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const names = args.name?.length
    ? args.name
    : (await client.applications.list()).applications.map(({ name }) => name);
  const results: (ApplicationCheck & { name: string })[] = [];
  for (const name of names) results.push({ name, ...(await client.applications.check(name)) });
  if (args.json) printJson(context, results);
  else {
    for (const { name, problem, warnings } of results) {
      printMessage(context, `${name}: ${problem === null ? 'works' : problem.message}`);
      for (const warning of warnings) printMessage(context, `${name}: warning: ${warning}`);
    }
  }
  return results.some(({ problem }) => problem !== null) ? 1 : 0;
}
