import type { Operation } from '../../shared/client/operations.ts';
import { type ConnectArguments, connect } from './connect.ts';
import { type CliContext, printJson, printLine } from './context.ts';
import { printable } from './output/print.ts';
import { type Column, NOTHING, printTable, type TableArguments } from './output/table.ts';

/** One call of `client[resource][method]`. */
export interface DerivedCall {
  resource: string;
  method: string;
  operation: Operation;
  /** Parameters of the path, in their order. */
  parameters: Readonly<Record<string, string>>;
  /** Fields of the query or body. */
  fields: Readonly<Record<string, unknown>>;
}

type Methods = Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>;
type Row = Readonly<Record<string, unknown>>;

/** Calls an operation and prints its result: a list as a table, anything else field by field. */
export async function runDerived(
  { resource, method, operation, parameters, fields }: DerivedCall,
  args: ConnectArguments & TableArguments,
  context: CliContext,
): Promise<number> {
  const client = connect(args, context) as unknown as Readonly<Record<string, Methods>>;
  const call = client[resource]?.[operation.isPaged ? 'all' : method];
  if (call === undefined) throw new Error(`the client has no method ${resource}.${method}`);
  const input = operation.sends === undefined ? [] : [fields];
  const result = await call(...Object.values(parameters), ...input);
  if (args.json) printJson(context, result ?? parameters);
  else if (operation.isPaged) {
    const columns = operation.command?.columns ?? [];
    printTable(result as Row[], columns.map(columnOf), args, context);
  } else if (result === undefined && operation.method === 'DELETE') {
    printLine(context.stdout, printable(formatDone(operation, parameters)));
  } else printLine(context.stdout, formatFields((result ?? parameters) as Row));
  return 0;
}

function columnOf(name: string): Column<Row> {
  return { title: name.replaceAll('_', ' ').toUpperCase(), cell: (row) => formatValue(row[name]) };
}

function formatFields(row: Row): string {
  return flatten(row)
    .map(([name, value]) => printable(`${name}: ${formatValue(value) ?? NOTHING}`))
    .join('\n');
}

/** `limits: { disk_bytes: 1 }` becomes `limits.disk_bytes: 1`. */
function flatten(row: Row, prefix = ''): [string, unknown][] {
  return Object.entries(row).flatMap(([name, value]): [string, unknown][] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? flatten(value as Row, `${prefix}${name}.`)
      : [[prefix + name, value]],
  );
}

/** `plans delete free` prints `deleted free`. */
function formatDone({ command }: Operation, parameters: DerivedCall['parameters']): string {
  const verb = command?.words[1] ?? 'delete';
  return `${verb.endsWith('e') ? `${verb}d` : `${verb}ed`} ${Object.values(parameters).join(' ')}`;
}

function formatValue(value: unknown): string | null {
  if (value === null || value === undefined || value === '') return null;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
    return value.join(', ') || null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
