import { deletionConsequences } from '../../shared/deletion.ts';
import type { Instance, InstancePhase } from '../../shared/instance.ts';
import { type ConnectArguments, connect } from './connect.ts';
import { type CliContext, type Colour, painter, printJson, printLine } from './context.ts';
import { printable } from './printable.ts';
import { type Column, formatTable } from './table.ts';
import { typed } from './typed.ts';
import { UsageError } from './usage-error.ts';

const PHASE_COLOURS: Readonly<Record<InstancePhase, Colour>> = {
  running: 'green',
  queued: 'yellow',
  starting: 'yellow',
  stopping: 'yellow',
  backing_off: 'yellow',
  unresponsive: 'red',
  failed: 'red',
  stopped: 'dim',
};

const COLUMNS: readonly Column<Instance>[] = [
  { title: 'NAME', cell: (one) => one.name },
  { title: 'PHASE', cell: (one) => one.phase, colour: (one) => PHASE_COLOURS[one.phase] },
  { title: 'PORT', cell: (one) => one.port },
  { title: 'PID', cell: (one) => one.pid },
  { title: 'RESTARTS', cell: (one) => one.restarts },
  { title: 'OWNER', cell: (one) => one.email },
  { title: 'WHY', cell: (one) => one.reason?.message ?? '' },
];

export async function listDatabases(
  args: ConnectArguments & { json: boolean },
  context: CliContext,
): Promise<number> {
  const databases = await connect(args, context).databases.all();
  if (args.json) printJson(context, databases);
  else printLine(context.stdout, formatTable(databases, COLUMNS, painter(context.stdout, context.env)));
  return 0;
}

export interface ActArguments extends ConnectArguments {
  name: string;
  force?: boolean;
  json: boolean;
}

export async function actOnDatabase(
  action: 'start' | 'stop' | 'restart',
  args: ActArguments,
  context: CliContext,
): Promise<number> {
  const { databases } = connect(args, context);
  const { name, force = false } = args;
  const instance =
    action === 'start' ? await databases.start(name, { force }) : await databases[action](name);
  if (args.json) printJson(context, instance);
  else {
    const where = instance.phase === 'running' && instance.url !== null ? ` at ${instance.url}` : '';
    printLine(context.stdout, printable(`${instance.name} is ${instance.phase}${where}`));
  }
  return 0;
}

/** Whoever deletes a user's data types the name of what is deleted. */
export async function deleteDatabase(
  { name, ...args }: ConnectArguments & { name: string },
  context: CliContext,
): Promise<number> {
  const { databases } = connect(args, context);
  const instance = await databases.get(name);
  if (instance.kind === 'global') {
    throw new UsageError('the global database holds all accounts and is never deleted; nothing was done');
  }
  const question = [...deletionConsequences(instance), `Type '${name}' to delete it: `];
  if ((await typed(question.map(printable).join('\n'), context)) !== name) {
    throw new UsageError(`that is not '${name}'; nothing was deleted`);
  }
  await databases.delete(name);
  printLine(context.stdout, printable(`${name} is deleted`));
  return 0;
}
