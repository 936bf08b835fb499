import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';

/** Moves a database to another node, and waits until it is there. */
export async function moveDatabase(
  { name, node, json, ...args }: ConnectArguments & { name: string; node: string; json: boolean },
  context: CliContext,
): Promise<number> {
  const moved = await connect(args, context).nodes.move(name, { node });
  if (json) printJson(context, moved);
  else printLine(context.stdout, printable(`${moved.name} is on node ${moved.node} now`));
  return 0;
}
