import { INSTANCE_PHASES } from '../../shared/instance.ts';
import type { DaemonStatus } from '../../shared/status.ts';
import { TASK_STATUSES } from '../../shared/task.ts';
import { type ConnectArguments, connect } from './connect.ts';
import { type CliContext, printJson, printLine } from './context.ts';
import { printable } from './printable.ts';

export async function status(
  args: ConnectArguments & { json: boolean },
  context: CliContext,
): Promise<number> {
  const answer = await connect(args, context).status();
  if (args.json) printJson(context, answer);
  else for (const line of statusLines(answer)) printLine(context.stdout, printable(line));
  return 0;
}

export function statusLines(answer: DaemonStatus): string[] {
  const ready = answer.ready ? 'ready' : `starting, waiting for ${answer.waiting_for ?? 'the fleet'}`;
  const fields: [string, string][] = [
    ['daemon', `${ready} (Fathom ${answer.version}, pid ${answer.pid}, since ${answer.started_at})`],
    ['instances', counted(INSTANCE_PHASES, answer.instances)],
    [
      'tasks',
      answer.queue === null
        ? 'unknown, the global PocketBase does not answer'
        : counted(TASK_STATUSES, answer.queue),
    ],
    ['api', answer.api_url],
    ['global', `${answer.global_url} (PocketBase ${answer.pocketbase_version})`],
    ['data', answer.data_dir],
  ];
  return fields.map(([name, value]) => `${name.padEnd(11)}${value}`);
}

/** `3 running, 1 backing off`; what does not occur is left out. */
function counted(names: readonly string[], counts: Readonly<Record<string, number>>): string {
  const present = names.filter((name) => counts[name]);
  return present.map((name) => `${counts[name]} ${name.replace('_', ' ')}`).join(', ') || 'none';
}
