import type { PrunedBackups, VerifiedBackup } from '../../../shared/api/backups.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import { messageOf } from '../../../shared/errors.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

type Result = { database: string; problem: string | null } & Partial<PrunedBackups>;

/** Exit 1 when a database fails. */
export async function pruneBackups(
  args: ConnectArguments & { json: boolean; names: string[] | undefined; 'dry-run': boolean },
  context: CliContext,
): Promise<number> {
  const { backups } = connect(args, context);
  const isDryRun = args['dry-run'];
  const given = args.names ?? [];
  const fleet = given.length > 0 ? [] : await backups.all();
  const names =
    given.length > 0 ? given : fleet.filter(({ last }) => last !== null).map(({ database }) => database);
  const results: Result[] = [];
  // One at a time, so that backups go first.
  for (const database of names) {
    const result: Result = await backups.prune(database, { dry_run: isDryRun }).then(
      (pruned) => ({ database, problem: null, ...pruned }),
      (error: unknown) => ({ database, problem: messageOf(error) }),
    );
    results.push(result);
    if (!args.json)
      printLine(result.problem === null ? context.stdout : context.stderr, lineOf(result, isDryRun));
  }
  if (args.json) printJson(context, results);
  return results.some(({ problem }) => problem !== null) ? 1 : 0;
}

function lineOf({ database, problem, ...pruned }: Result, isDryRun: boolean): string {
  if (problem !== null) return printable(`${database}: ${problem}`);
  const { kept = [], removed = [], unreadable = [], removed_bytes = 0 } = pruned;
  const verb = isDryRun ? 'would be removed' : 'removed';
  const damaged = unreadable.length > 0 ? `; damaged: ${unreadable.map(({ id }) => id).join(', ')}` : '';
  return printable(
    `${database}: ${kept.length} kept, ${removed.length} ${verb} (${byteSize(removed_bytes)})${damaged}`,
  );
}

const COLUMNS: readonly Column<VerifiedBackup>[] = [
  { title: 'BACKUP', cell: ({ id }) => id },
  { title: 'STATE', cell: ({ state }) => state, colour: ({ state }) => (state === 'damaged' ? 'red' : null) },
  { title: 'SIZE', cell: ({ bytes }) => byteSize(bytes) },
  { title: 'PARTS', cell: ({ chunks }) => String(chunks) },
  { title: 'MISSING', cell: ({ missing }) => missing.join(' '), cutTo: 20, hide: 2 },
  { title: 'DAMAGED', cell: ({ damaged }) => damaged.join(' '), cutTo: 20, hide: 1 },
];

/** Exit 1 when a backup is damaged. */
export async function verifyBackups(
  args: ConnectArguments & TableArguments & { name: string; ids: string[] | undefined },
  context: CliContext,
): Promise<number> {
  const { items } = await connect(args, context).backups.verify(args.name, { ids: args.ids ?? [] });
  if (args.json) printJson(context, items);
  else printTable(items, COLUMNS, args, context);
  return items.some(({ state }) => state === 'damaged') ? 1 : 0;
}
