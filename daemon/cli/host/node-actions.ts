import type { ClusterNode } from '../../../shared/api/nodes.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';
import { versionNotes } from './upgrade/versions.ts';

const onlyOnline = <T>(node: ClusterNode, value: T): T | null => (node.state === 'online' ? value : null);

const COLUMNS: readonly Column<ClusterNode>[] = [
  { title: 'NAME', cell: (node) => node.name },
  {
    title: 'STATE',
    cell: (node) => (node.drain === null ? node.state : `${node.state}, ${drainText(node.drain)}`),
    colour: (node) => (node.state === 'online' && node.drain === null ? null : 'yellow'),
  },
  { title: 'ADDRESS', cell: (node) => node.address, cutTo: 15 },
  { title: 'DATABASES', cell: (node) => onlyOnline(node, node.drain?.progress?.left ?? node.databases) },
  { title: 'RUNNING', cell: (node) => onlyOnline(node, node.running), hide: 2 },
  { title: 'LOAD', cell: (node) => onlyOnline(node, node.load_1m.toFixed(2)), hide: 3 },
  { title: 'FREE MEMORY', cell: (node) => onlyOnline(node, byteSize(node.memory_free_bytes)), hide: 4 },
  { title: 'VERSION', cell: (node) => node.version, hide: 1 },
  { title: 'SEEN', cell: (node) => node.seen_at, hide: 5 },
];

export async function listNodes(
  args: ConnectArguments & TableArguments,
  context: CliContext,
): Promise<number> {
  const list = await connect(args, context).nodes.list();
  if (args.json) printJson(context, list);
  else printTable(list.items, COLUMNS, args, context);
  const notes = args.json ? [] : [...list.items.flatMap(notesOf), ...versionNotes(list)];
  for (const note of notes) printLine(context.stderr, printable(`fathomd: ${note}`));
  if (list.problem !== null)
    printLine(context.stderr, printable(`fathomd: node ${list.node} is not registered: ${list.problem}`));
  return 0;
}

function drainText({ purpose }: NonNullable<ClusterNode['drain']>): string {
  return purpose === 'upgrade' ? 'drained for upgrade' : 'drained';
}

/** What moves to a node, and what does not move from it. */
function notesOf({ name, drain, receiving }: ClusterNode): string[] {
  const { failed = 0, problems: [first] = [] } = drain?.progress ?? {};
  const more = failed > 1 ? `; 'fathomd nodes drain ${name}' shows the others` : '';
  return [
    ...(first === undefined
      ? []
      : [`databases that do not move from ${name} now: ${failed}. ${first.name}: ${first.message}${more}`]),
    ...receiving.map(
      (database) => `${database.name} moves to ${name}: ${byteSize(database.bytes)} are there`,
    ),
  ];
}

/** Removes a node after the caller has typed its name. */
export async function removeNode(
  { name, json, ...args }: ConnectArguments & { name: string; json: boolean },
  context: CliContext,
): Promise<number> {
  const question = `Other nodes may start copies of its databases then. If its server still runs them, two copies get different data.\nType '${name}' when that server is off: `;
  if ((await readConfirmation(printable(question), context)) !== name)
    throw new UsageError(`that is not '${name}'; nothing was removed`);
  const { databases } = await connect(args, context).nodes.remove(name);
  if (json) printJson(context, { removed: name, databases });
  else
    printLine(
      context.stdout,
      printable(`node ${name} is removed; databases that are free now: ${databases}`),
    );
  return 0;
}
