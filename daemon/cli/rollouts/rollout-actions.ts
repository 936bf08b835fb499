import type { MigrationRolloutRequest } from '../../../shared/api/migrations.ts';
import type { Rollout, ShownRolloutPlan } from '../../../shared/api/rollouts.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { advisoriesOf } from '../../pocketbase/advisories/assess-releases.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';
import { printMessage } from '../output/print.ts';
import { progressBar } from '../output/progress-bar.ts';

const POLL_MS = 500;
const MIB = 1024 * 1024;

interface RolloutArguments extends ConnectArguments {
  json: boolean;
  databases: string[] | undefined;
  canary: number | undefined;
  wave: number | undefined;
  'max-failures': number | undefined;
  watch: number | undefined;
  rehearse: boolean;
  'without-backup': boolean;
  pause: boolean;
}

/** Exit 1 when a database failed, or the rollout did not end. */
export async function upgradePocketBase(
  args: RolloutArguments & { release: string; 'dry-run': boolean },
  { back }: { back: boolean },
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const request = { version: args.release.replace(/^v/, ''), back, ...requestOf(args) };
  if (!args['dry-run']) return follow(client, await client.rollouts.start(request), args, context);
  const plan = await client.rollouts.plan(request);
  const from = Map.groupBy(plan.databases, (one) => one.from);
  const head = [
    `${plan.databases.length} databases get PocketBase ${plan.version}`,
    ...[...from].map(([old, names]) => `${names.length} have PocketBase ${old}`),
    ...plan.closes.map(({ id, severity, summary }) => `closes ${id} (${severity}): ${summary}`),
    ...(back
      ? advisoriesOf(plan.version).map(({ id, severity, summary }) => `opens ${id} (${severity}): ${summary}`)
      : []),
    ...plan.hazards.map(({ id, summary }) => `note ${id}: ${summary}`),
  ];
  return showPlan(plan, head, args, context);
}

/** Exit 1 when a test on a clone failed. */
export async function planMigrations(args: RolloutArguments, context: CliContext): Promise<number> {
  const plan = await connect(args, context).migrations.plan(requestOf(args));
  const lacking = Map.groupBy(plan.databases, ({ pending }) => pending.join(', '));
  const head = [...lacking].map(([files, names]) => `${names.length} databases lack ${files}`);
  return showPlan(plan, head, args, context);
}

/** Adds an application to databases, or removes one. Exit 1 when a database failed, or the rollout did not end. */
export async function changeApplication(
  action: 'add' | 'remove',
  args: Omit<RolloutArguments, 'databases'> & {
    name: string;
    database: string[] | undefined;
    all: boolean;
    'dry-run': boolean;
  },
  context: CliContext,
): Promise<number> {
  const { name, database = [], all } = args;
  if (all === database.length > 0) throw new UsageError('name databases, or use --all');
  const client = connect(args, context);
  const request = requestOf({ ...args, databases: all ? undefined : database });
  if (!args['dry-run']) {
    const code = await follow(client, await client.applications[action](name, request), args, context);
    if (action === 'remove' && !args.json)
      printMessage(context, `the collections of ${name} and their records stay in the databases`);
    return code;
  }
  const plan = await client.applications.plan(name, { action, ...request });
  const pending = Map.groupBy(plan.databases, (one) => one.pending.join(', '));
  const head = [...pending].map(([files, names]) =>
    action === 'add'
      ? `${names.length} databases get ${name}: ${files || 'no files'}`
      : `${names.length} databases lose hooks and static files of ${name}; its collections and their records stay`,
  );
  return showPlan(plan, head, args, context);
}

/** Exit 1 when a database failed, or the rollout did not end. */
export async function applyMigrations(args: RolloutArguments, context: CliContext): Promise<number> {
  const client = connect(args, context);
  return follow(client, await client.migrations.apply(requestOf(args)), args, context);
}

function requestOf(args: RolloutArguments): MigrationRolloutRequest {
  return {
    rehearse: args.rehearse,
    without_backup: args['without-backup'],
    pause: args.pause,
    ...(args.databases === undefined ? {} : { databases: args.databases }),
    ...(args.canary === undefined ? {} : { canary: args.canary }),
    ...(args.wave === undefined ? {} : { wave: args.wave }),
    ...(args['max-failures'] === undefined ? {} : { max_failures: args['max-failures'] }),
    ...(args.watch === undefined ? {} : { watch_s: args.watch }),
  };
}

function showPlan(
  plan: Omit<ShownRolloutPlan, 'version' | 'databases' | 'closes' | 'hazards'>,
  head: readonly string[],
  { json }: { json: boolean },
  context: CliContext,
): number {
  const rehearsed = plan.rehearsed ?? [];
  const lines = [
    ...head,
    `waves of ${plan.waves.join(', ')}; it halts after more than ${plan.max_failures} failures, or one in the first wave`,
    `copies take at most ${Math.ceil(plan.disk_bytes / MIB)} MiB; ${Math.floor(plan.free_bytes / MIB)} MiB are free`,
    plan.backup_skipped === null
      ? 'each database is backed up right before its change, if it has changed since its last backup'
      : `databases are not backed up before their change: ${plan.backup_skipped}`,
    ...plan.skipped.map(({ name, reason }) => `not changed: ${name}: ${reason}`),
    ...rehearsed.map(({ name, problem }) => `on a clone of ${name}: ${problem ?? 'works'}`),
  ];
  if (json) printJson(context, plan);
  else for (const line of lines) printMessage(context, line);
  return rehearsed.some(({ problem }) => problem !== null) ? 1 : 0;
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
  else for (const line of rolloutLines(rollout)) printMessage(context, line);
  return isGood(rollout) ? 0 : 1;
}

/** Pauses, continues or ends the rollout in progress. */
export async function steerRollout(
  how: 'pause' | 'resume' | 'abort',
  args: ConnectArguments & { json: boolean },
  context: CliContext,
): Promise<number> {
  const rollout = await connect(args, context).rollouts[how]();
  if (args.json) printJson(context, rollout);
  else for (const line of steeredLines(rollout)) printMessage(context, line);
  return 0;
}

/** What has happened, what is still in progress, and how it goes on. */
export function steeredLines({ id, kind, target, status, active, ...counts }: Rollout): string[] {
  const ended = counts.changed + counts.failed + counts.skipped;
  const what = describeChange(kind, target);
  const names = active.map(({ name, watched }) => `${name} is ${watched ? 'watched' : 'changed'}`);
  return [
    `The rollout ${id} of ${what} is ${status}; ${ended} of ${counts.total} databases have ended.`,
    ...(names.length === 0 ? [] : [`In progress, to be finished: ${names.join(', ')}.`]),
    ...(status === 'paused' ? ["Run 'fathomd pocketbase resume' to continue."] : []),
    ...(status === 'running' ? ["Run 'fathomd pocketbase status --follow' to see its progress."] : []),
    ...(status === 'aborted'
      ? [`${counts.changed} changed databases stay changed, ${counts.total - ended} are as before.`]
      : []),
  ];
}

/** Shows the progress until nothing more happens without a command. The rollout does not need this process. */
async function follow(
  client: FathomClient,
  begun: Rollout,
  { json }: { json: boolean },
  context: CliContext,
): Promise<number> {
  const { stderr } = context;
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
  else for (const line of rolloutLines(rollout)) printMessage(context, line);
  return isGood(rollout) ? 0 : 1;
}

function describeChange(kind: Rollout['kind'], target: string): string {
  switch (kind) {
    case 'pocketbase':
      return `PocketBase ${target}`;
    case 'migrations':
      return `migrations ${target.slice(0, 12)}`;
    case 'add-application':
      return `adding the application ${target}`;
    default:
      return `removing the application ${target}`;
  }
}

function isGood({ status, failed }: Rollout): boolean {
  return failed === 0 && (status === 'running' || status === 'done' || status === 'paused');
}

/** `[######------] 12 of 100, wave 2 of 6, 0 failed` */
export function progressLine({ total, changed, failed, skipped, wave, waves, status }: Rollout): string {
  const ended = changed + failed + skipped;
  return `${progressBar(ended, total)} ${ended} of ${total}, wave ${wave} of ${waves}, ${failed} failed, ${status}`;
}

function rolloutLines(rollout: Rollout): string[] {
  const { id, kind, target, status, reason, changed, failed, skipped, total, problems } = rollout;
  const what = describeChange(kind, target);
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
