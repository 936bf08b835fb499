import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { Instance, InstanceLimits } from '../../../shared/api/instances.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import { crashRate, isCrashLoop } from '../../../shared/crashes.ts';
import { dayCount, deletionConsequences } from '../../../shared/deletion.ts';
import { type InstancePhase, isInTrouble } from '../../../shared/instance.ts';
import { lacksMigrations } from '../../../shared/reasons.ts';
import { isVersion } from '../../../shared/version.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, type Colour, printJson, printLine } from '../context.ts';
import { readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { describeApiError } from '../output/api-error.ts';
import { printable } from '../output/print.ts';
import { reportError } from '../output/report-error.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';
import { warnOfRefusedMigrations } from './migrations-action.ts';

const PHASE_COLOURS: Readonly<Record<InstancePhase, Colour>> = {
  running: 'green',
  queued: 'yellow',
  starting: 'yellow',
  stopping: 'yellow',
  asleep: 'dim',
  waking: 'yellow',
  backing_off: 'yellow',
  unresponsive: 'red',
  failed: 'red',
  stopped: 'dim',
};

const COLUMNS: readonly Column<Instance>[] = [
  { title: 'NAME', cell: (one) => one.name },
  { title: 'PHASE', cell: (one) => one.phase, colour: (one) => PHASE_COLOURS[one.phase] },
  { title: 'PORT', cell: (one) => one.port, hide: 2 },
  { title: 'PID', cell: (one) => one.pid, hide: 4 },
  { title: 'RESTARTS', cell: (one) => one.restarts, hide: 3 },
  { title: 'LIMITS', cell: (one) => describeLimits(one.limits), hide: 5 },
  { title: 'VERSION', cell: versionText, hide: 6 },
  { title: 'OWNER', cell: (one) => one.email, cutTo: 12, hide: 1 },
  { title: 'WHY', cell: why, cutTo: 20 },
];

/** With the version that it is pinned to, when it runs another one. */
function versionText({ pocketbase_version: version, pinned_version: pinned }: Instance): string {
  if (pinned === null) return version;
  return pinned === version ? `${version} (pinned)` : `${version} (pinned to ${pinned})`;
}

/** Such as `12 crashes in 10 minutes; killed by SIGKILL`. The reason of a running instance has the rate already. */
function why({ reason, phase, crashes }: Instance): string {
  const message = reason?.message ?? '';
  return isCrashLoop(crashes) && phase !== 'running' ? `${crashRate(crashes)}; ${message}` : message;
}

/** Such as `512 MiB memory`; null without a limit. */
function describeLimits({ memory_bytes, disk_bytes, sleep_after }: InstanceLimits): string | null {
  const memory = memory_bytes === null ? [] : [`${byteSize(memory_bytes)} memory`];
  const disk = disk_bytes === null ? [] : [`${byteSize(disk_bytes)} disk`];
  const sleep = sleep_after > 0 ? [`sleeps after ${sleep_after} min`] : [];
  return [...memory, ...disk, ...sleep].join(', ') || null;
}

export async function listDatabases(
  args: ConnectArguments & TableArguments & { phase?: InstancePhase | undefined; check: boolean },
  context: CliContext,
): Promise<number> {
  const all = await connect(args, context).databases.all();
  const databases = all.filter(({ phase }) => args.phase === undefined || phase === args.phase);
  if (args.json) printJson(context, databases);
  else printTable(databases, COLUMNS, args, context);
  return args.check && databases.some(isInTrouble) ? 1 : 0;
}

export interface ActArguments extends ConnectArguments {
  name: string[];
  /** Of `sleep`: closes connections without a request in progress. */
  force?: boolean;
  json: boolean;
}

/** Sends all requests at once; the daemon orders them. Reports each failure and returns the exit code of the first. */
export async function actOnDatabases(
  action: 'start' | 'stop' | 'restart' | 'sleep' | 'wake',
  args: ActArguments,
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const { databases } = client;
  const isStart = action !== 'stop' && action !== 'sleep';
  const act = (name: string): Promise<Instance> =>
    action === 'sleep' ? databases.sleep(name, { force: args.force === true }) : databases[action](name);
  const [only, ...others] = args.name;
  if (only !== undefined && others.length === 0) {
    const instance = await act(only);
    if (args.json) printJson(context, instance);
    else printState(instance, context);
    if (isStart) await warnOfRefusedMigrations(client, context);
    return 0;
  }
  const outcomes = await Promise.allSettled(args.name.map(act));
  const done = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  if (args.json) printJson(context, done);
  else for (const instance of done) printState(instance, context);
  if (isStart) await warnOfRefusedMigrations(client, context);
  const command = { words: ['databases', action], positionals: { name: {} } } as const;
  const codes = outcomes.flatMap((outcome, index) => {
    if (outcome.status === 'fulfilled') return [];
    return [
      reportError(describeApiError(outcome.reason, command, { name: args.name[index] }, context), context),
    ];
  });
  return codes[0] ?? 0;
}

function printState(instance: Instance, context: CliContext): void {
  const where = instance.phase === 'running' && instance.url !== null ? ` at ${instance.url}` : '';
  const { phase, reason } = instance;
  const but = phase === 'running' && reason && lacksMigrations(reason) ? `, but ${reason.message}` : '';
  printLine(context.stdout, printable(`${instance.name} is ${instance.phase}${where}${but}`));
}

/** Pins a database to a version, or with `fleet` to none. */
export async function pinDatabase(
  { name, release, fleet, 'without-backup': without_backup, json, ...args }: PinArguments,
  context: CliContext,
): Promise<number> {
  if ((release === undefined) !== fleet)
    throw new UsageError('name either a version, like 0.40.1, or --fleet');
  const version = release?.replace(/^v/, '') ?? null;
  if (version !== null && !isVersion(version))
    throw new UsageError(
      `'${release}' is not a version; name one like 0.40.1, see 'fathomd pocketbase list'`,
    );
  const instance = await connect(args, context).databases.pin(name, { version, without_backup });
  if (json) printJson(context, instance);
  else printLine(context.stdout, printable(`${name} ${pinText(instance)}`));
  return 0;
}

interface PinArguments extends ConnectArguments {
  name: string;
  release: string | undefined;
  fleet: boolean;
  'without-backup': boolean;
  json: boolean;
}

function pinText({ phase, pinned_version: pinned, pocketbase_version: version }: Instance): string {
  const whose = pinned === null ? ', the version of the fleet' : '';
  return `is ${phase}, with PocketBase ${version}${whose}`;
}

/** What happened to a database that was deleted. */
export function trashText(name: string, days: number): string {
  return `${name} is in the trash for ${dayCount(days)}; 'fathomd databases undelete ${name}' brings it back`;
}

/** Deletes a database after the caller has typed its name. */
export async function deleteDatabase(
  { name, json, ...args }: ConnectArguments & { name: string; json: boolean },
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const { databases } = client;
  const instance = await databases.get(name);
  if (instance.kind === 'global') {
    throw new UsageError('the global database contains all accounts and cannot be deleted; nothing was done');
  }
  const { trash }: Partial<DaemonStatus> = await client.daemon.status();
  const days = trash?.days ?? 0;
  const question = [...deletionConsequences(instance, days), `Type '${name}' to delete it: `];
  if ((await readConfirmation(question.map(printable).join('\n'), context)) !== name) {
    throw new UsageError(`that is not '${name}'; nothing was deleted`);
  }
  await databases.delete(name);
  if (json) printJson(context, { deleted: name });
  else if (days === 0) printLine(context.stdout, printable(`${name} is erased`));
  else printLine(context.stdout, printable(trashText(name, days)));
  return 0;
}
