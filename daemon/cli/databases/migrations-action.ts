import type { MigrationStatus } from '../../../shared/api/migrations.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { type ErrorCode, FathomError } from '../../../shared/errors.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable, printMessage } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

const COLUMNS: readonly Column<MigrationStatus['files'][number]>[] = [
  { title: 'FILE', cell: ({ name }) => name, cutTo: 20 },
  { title: 'APPLICATION', cell: ({ application }) => application },
  { title: 'SHA-256', cell: ({ sha256 }) => sha256.slice(0, 12), hide: 1 },
];
/** Of a long list, so many are named. */
const NAMED = 5;

const EXPECTED: ReadonlySet<ErrorCode> = new Set(['auth.forbidden', 'not_found']);

/** With `--check`, exit 1 when the files as they are now are not in use, or databases have applied others. */
export async function showMigrations(
  args: ConnectArguments & TableArguments & { check: boolean },
  context: CliContext,
): Promise<number> {
  const status = await connect(args, context).migrations.status();
  if (args.json) printJson(context, status);
  else {
    printTable(status.files, COLUMNS, args, context);
    for (const line of remarks(status)) printMessage(context, line);
  }
  return args.check && (!status.in_use || status.drift.length > 0) ? 1 : 0;
}

/** What was started now did not get the files as they are. */
export async function warnOfRefusedMigrations(client: FathomClient, context: CliContext): Promise<void> {
  try {
    const { problem } = await client.migrations.status();
    if (problem) printLine(context.stderr, printable(`fathomd: ${refusal(problem)}`));
  } catch (error) {
    // An owner may start a database and see nothing of others; an earlier daemon knows no such route.
    const isExpected = error instanceof FathomError && EXPECTED.has(error.code);
    if (!isExpected) throw error;
  }
}

function remarks({ problem, untried, warnings, drift }: MigrationStatus): string[] {
  return [
    ...(problem === null
      ? []
      : [`${refusal(problem)}; correct the file, then run 'fathomd databases restart NAME'`]),
    ...(untried.length === 0
      ? []
      : [`not tried out yet: ${listNames(untried)}; run 'fathomd databases restart NAME' with one database`]),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...drift.map(({ file, change, databases }) => {
      const what = change === 'changed' ? 'was changed after it was applied' : 'is missing, and is applied';
      return `drift: ${file} ${what} in ${listNames(databases)}`;
    }),
  ];
}

function listNames(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `${names.slice(0, NAMED).join(', ')}${more}`;
}

function refusal({ message }: NonNullable<MigrationStatus['problem']>): string {
  return `the migrations are not used, databases keep the last good ones: ${message}`;
}
