import type { Rollout, RolloutPlanView, RolloutRequest } from '../../../shared/api/rollouts.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';

const POLL_MS = 500;
const BAR_CHARACTERS = 24;
const MIB = 1024 * 1024;

export interface UpgradeArguments extends ConnectArguments {
  json: boolean;
  release: string;
  'dry-run': boolean;
  databases: string[] | undefined;
  canary: number | undefined;
  wave: number | undefined;
  'max-failures': number | undefined;
  watch: number | undefined;
  rehearse: boolean;
  pause: boolean;
}

/** Exit 1 when a database failed, or the rollout did not end. */
export async function upgradePocketBase(args: UpgradeArguments, context: CliContext): Promise<number> {
  const client = connect(args, context);
  const request: RolloutRequest = {
    version: args.release.replace(/^v/, ''),
    rehearse: args.rehearse,
    pause: args.pause,
    ...(args.databases === undefined ? {} : { databases: args.databases }),
    ...(args.canary === undefined ? {} : { canary: args.canary }),
    ...(args.wave === undefined ? {} : { wave: args.wave }),
    ...(args['max-failures'] === undefined ? {} : { max_failures: args['max-failures'] }),
    ...(args.watch === undefined ? {} : { watch_s: args.watch }),
  };
  if (args['dry-run']) {
    const plan = await client.rollouts.plan(request);
    if (args.json) printJson(context, plan);
    else for (const line of planLines(plan)) printLine(context.stdout, printable(line));
    return 0;
  }
  return follow(client, await client.rollouts.start(request), args, context);
}

/** Shows the last rollout; with `--follow`, until it ends. */
export async function showRollout(
  args: ConnectArguments & { json: boolean; follow: boolean },
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const rollout = await client.rollouts.status();
  if (args.follow) return follow(client, rollout, args, context);
  if (args.json) printJson(context, rollout);
  else for (const line of rolloutLines(rollout)) printLine(context.stdout, printable(line));
  return isGood(rollout) ? 0 : 1;
}

/** Shows the progress until nothing more happens without a command. The rollout does not need this process. */
async function follow(
  client: FathomClient,
  begun: Rollout,
  { json }: { json: boolean },
  context: CliContext,
): Promise<number> {
  const { stderr, stdout } = context;
  let rollout = begun;
  let shown = '';
  const show = () => {
    const line = progressLine(rollout);
    if (json || line === shown) return;
    shown = line;
    stderr.write(stderr.isTTY === true ? `\r\u001B[K${line}` : `${line}\n`);
  };
  show();
  while (rollout.status === 'running' || rollout.active.length > 0) {
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
    rollout = await client.rollouts.status();
    show();
  }
  if (!json && stderr.isTTY === true) stderr.write('\n');
  if (json) printJson(context, rollout);
  else for (const line of rolloutLines(rollout)) printLine(stdout, printable(line));
  return isGood(rollout) ? 0 : 1;
}

function isGood({ status, failed }: Rollout): boolean {
  return failed === 0 && (status === 'running' || status === 'done' || status === 'paused');
}

/** `[######------] 12 of 100, wave 2 of 6, 0 failed` */
export function progressLine({ total, changed, failed, skipped, wave, waves, status }: Rollout): string {
  const ended = changed + failed + skipped;
  const filled = total === 0 ? BAR_CHARACTERS : Math.floor((ended / total) * BAR_CHARACTERS);
  const bar = '#'.repeat(filled) + '-'.repeat(BAR_CHARACTERS - filled);
  return `[${bar}] ${ended} of ${total}, wave ${wave} of ${waves}, ${failed} failed, ${status}`;
}

function rolloutLines(rollout: Rollout): string[] {
  const { id, kind, target, status, reason, changed, failed, skipped, total, problems } = rollout;
  const what = kind === 'pocketbase' ? `PocketBase ${target}` : `migrations ${target.slice(0, 12)}`;
  return [
    `${id}: ${what}, ${status}${reason === null ? '' : ` (${reason})`}`,
    `${changed} of ${total} changed, ${failed} failed, ${skipped} skipped`,
    ...(rollout.longest_unanswered_ms === null
      ? []
      : [`longest time without an answer: ${rollout.longest_unanswered_ms} ms`]),
    ...problems.map(({ name, result, message }) => `${result}: ${name}: ${message}`),
    ...(status === 'halted'
      ? ["find the cause, then run 'fathomd pocketbase resume' or 'fathomd pocketbase abort'"]
      : []),
  ];
}

function planLines(plan: RolloutPlanView): string[] {
  const { version, databases, skipped, waves, max_failures: max, disk_bytes: disk, free_bytes: free } = plan;
  const from = Map.groupBy(databases, (one) => one.from);
  return [
    `${databases.length} databases get PocketBase ${version}, in waves of ${waves.join(', ')}`,
    ...[...from].map(([old, names]) => `${names.length} have PocketBase ${old}`),
    `it halts after more than ${max} failures, or one in the first wave`,
    `copies take at most ${Math.ceil(disk / MIB)} MiB; ${Math.floor(free / MIB)} MiB are free`,
    ...skipped.map(({ name, reason }) => `not changed: ${name}: ${reason}`),
  ];
}
