import type { Operation } from '../../shared/client/operations.ts';
import { type ConnectArguments, connect } from './connect.ts';
import { type CliContext, printJson, printLine } from './context.ts';
import { printable } from './output/print.ts';
import { type Column, printTable, type TableArguments } from './output/table.ts';

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
  } else printLine(context.stdout, formatFields((result ?? parameters) as Row));
  return 0;
}

function columnOf(name: string): Column<Row> {
  return { title: name.replaceAll('_', ' ').toUpperCase(), cell: (row) => formatValue(row[name]) };
}

function formatFields(row: Row): string {
  return Object.entries(row)
    .map(([name, value]) => printable(`${name}: ${formatValue(value) ?? ''}`))
    .join('\n');
}

function formatValue(value: unknown): string | null {
  if (value === null || value === undefined || value === '') return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
