import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import { backupProblems } from '../../../shared/backup-failure.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import { erasureProblem } from '../../../shared/erasures.ts';
import { describeExposure } from '../../../shared/exposure.ts';
import { inactiveProblem } from '../../../shared/inactive.ts';
import { INSTANCE_PHASES, isInTrouble } from '../../../shared/instance.ts';
import { hostResources, resourceProblem } from '../../../shared/resource-use.ts';
import { TASK_STATUSES } from '../../../shared/task.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';
import { withOwnCommand } from '../own-command.ts';

export async function status(
  args: ConnectArguments & { json: boolean; check: boolean },
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const answer = await client.daemon.status();
  if (args.json) printJson(context, answer);
  else
    for (const line of statusLines(answer))
      printLine(context.stdout, printable(withOwnCommand(line, context)));
  if (!args.check) return 0;
  const problems = problemsOf(answer, answer.ready ? await client.databases.all() : []);
  for (const problem of problems)
    printLine(context.stderr, printable(`fathomd: ${withOwnCommand(problem, context)}`));
  return problems.length > 0 ? 1 : 0;
}

/** The problems that make `--check` fail. */
export function problemsOf(
  {
    ready,
    waiting_for,
    queue,
    usage,
    backups,
    trash,
    inactive,
  }: Pick<DaemonStatus, 'ready' | 'waiting_for' | 'queue' | 'usage'> &
    Partial<Pick<DaemonStatus, 'backups' | 'trash' | 'inactive'>>,
  instances: readonly Instance[],
): string[] {
  const host = hostResources(usage);
  const erasure = trash === undefined ? null : erasureProblem(trash);
  const unarchived = inactive === undefined ? null : inactiveProblem(inactive);
  const ill = instances.filter(isInTrouble).length;
  const see = "see 'fathomd databases list'";
  return [
    ...(ready ? [] : [`the daemon is not ready: it waits for ${waiting_for ?? 'the fleet'}`]),
    ...(usage?.writes_held === true
      ? ["the disk is nearly full: databases that write are held; see 'fathomd databases usage'"]
      : []),
    ...(queue === null ? ['the global PocketBase does not answer'] : []),
    ...(backups === undefined ? [] : backupProblems(backups).map(({ text, remedy }) => `${text}; ${remedy}`)),
    ...(erasure === null ? [] : [`${erasure.text}; ${erasure.remedy}`]),
    ...(unarchived === null ? [] : [`${unarchived.text}; ${unarchived.remedy}`]),
    ...(ill > 0 ? [`${ill} of ${instances.length} databases are in trouble; ${see}`] : []),
    ...instances.flatMap((instance) => {
      const found = resourceProblem(instance, host);
      return found === null ? [] : [`${instance.name} ${found.text}`];
    }),
  ];
}

export function statusLines(answer: DaemonStatus): string[] {
  const ready = answer.ready ? 'ready' : `starting, waiting for ${answer.waiting_for ?? 'the fleet'}`;
  const fields: [string, string][] = [
    ['daemon', `${ready} (Fathom ${answer.version}, pid ${answer.pid}, since ${answer.started_at})`],
    ['instances', counted(INSTANCE_PHASES, answer.instances)],
    ...recentWakes(answer),
    ...signUps(answer),
    ...mailState(answer),
    ...backupState(answer),
    ...alertState(answer),
    ...trashState(answer),
    ...archiveState(answer),
    [
      'tasks',
      answer.queue === null
        ? 'unknown, the global PocketBase does not answer'
        : counted(TASK_STATUSES, answer.queue),
    ],
    ['api', answer.api_url],
    ['global', `${answer.global_url} (PocketBase ${answer.pocketbase_version})`],
    ['data', answer.data_dir],
    ...knownVulnerabilities(answer),
    ...diskReserve(answer),
    ...sandboxLevel(answer),
    ...cgroups(answer),
    ...heldSockets(answer),
    ...logLosses(answer),
  ];
  return fields.map(([name, value]) => `${name.padEnd(11)}${value}`);
}

/** Empty without wakes, and for a daemon of an earlier release. */
function recentWakes({ wakes }: Partial<DaemonStatus>): [string, string][] {
  if (wakes === undefined || wakes.last_hour === 0) return [];
  const [slowest] = wakes.slowest;
  const longest =
    slowest === undefined
      ? ''
      : `, the slowest took ${Math.round(slowest.duration_ms)} ms (${slowest.database})`;
  return [['wakes', `${wakes.last_hour} in the last hour${longest}`]];
}

/** Empty for a daemon of an earlier release, which does not report them. */
function signUps({ sign_ups }: Partial<DaemonStatus>): [string, string][] {
  if (sign_ups === undefined) return [];
  const { mode, databases, max_databases } = sign_ups;
  return [
    ['sign-ups', max_databases === null ? mode : `${mode}, ${databases} of ${max_databases} databases exist`],
  ];
}

/** Empty without a problem, and for a daemon of an earlier release. */
function mailState({ mail }: Partial<DaemonStatus>): [string, string][] {
  return mail === undefined || mail.problem === null ? [] : [['mail', mail.problem]];
}

/** Empty for a daemon of an earlier release. */
function backupState({ backups }: Partial<DaemonStatus>): [string, string][] {
  if (backups === undefined) return [];
  const { target, schedule, next_at, recovery_key } = backups;
  const problems = backupProblems(backups);
  const when = schedule === null ? 'on demand only' : `next ${next_at}`;
  const key = recovery_key === false ? "; no recovery key, see 'fathomd backups recovery-key'" : '';
  return [
    ['backups', `to ${target}, ${when}${key}`],
    ...problems.flatMap(({ text, remedy }): [string, string][] => [
      ['', text],
      ['', `→ ${remedy}`],
    ]),
  ];
}

/** Empty without channels, and for a daemon of an earlier release. */
function alertState({ alerts }: Partial<DaemonStatus>): [string, string][] {
  if (alerts === undefined) return [];
  const { channels, open, state_problem, heartbeat } = alerts;
  const names = [...channels.map(({ channel }) => channel), ...(heartbeat === null ? [] : ['heartbeat'])];
  if (names.length === 0) return [];
  const problems = channels.flatMap(({ channel, problem }) =>
    problem === null ? [] : [`${channel}: ${problem}`],
  );
  const beat = heartbeat?.problem ?? (heartbeat?.withheld ? `not sent, ${heartbeat.withheld}` : null);
  if (beat !== null) problems.push(`heartbeat: ${beat}`);
  if (state_problem !== null) problems.push(`their state cannot be written: ${state_problem}`);
  return [
    ['alerts', `to ${names.join(', ')}; open problems: ${open}`],
    ...problems.map((text): [string, string] => ['', text]),
  ];
}

/** Empty without deleted databases, and for a daemon of an earlier release. */
function trashState({ trash }: Partial<DaemonStatus>): [string, string][] {
  if (trash === undefined || trash.databases + trash.erasures_pending === 0) return [];
  const { databases, erasures_pending: pending, problem } = trash;
  const state = pending === 0 ? '' : `, ${pending} erasure pending`;
  return [
    ['trash', `${databases} deleted${state}; see 'fathomd databases list --deleted'`],
    ...(problem === null ? [] : [['', problem] satisfies [string, string]]),
  ];
}

/** Empty without archived databases and without the rule, and for a daemon of an earlier release. */
function archiveState({ inactive }: Partial<DaemonStatus>): [string, string][] {
  if (inactive === undefined || inactive.days + inactive.archived === 0) return [];
  const { days, noticed, archived } = inactive;
  const rule = days === 0 ? '' : `, ${noticed} more soon (DATABASE_INACTIVE_DAYS=${days})`;
  const problem = inactiveProblem(inactive);
  return [
    ['archived', `${archived} in backups${rule}`],
    ...(problem === null
      ? []
      : ([
          ['', problem.text],
          ['', `→ ${problem.remedy}`],
        ] satisfies [string, string][])),
  ];
}

/** Empty when no instance has a known vulnerability, and for a daemon of an earlier release. */
function knownVulnerabilities({ exposure }: Partial<DaemonStatus>): [string, string][] {
  if (exposure === undefined || exposure.remedy === null) return [];
  return [
    ...exposure.versions.map((affected): [string, string] => ['security', describeExposure(affected)]),
    ['', `→ ${exposure.remedy}`],
  ];
}

/** Empty before the first sample, without a reserve, and for a daemon of an earlier release. */
function diskReserve({ usage }: DaemonStatus): [string, string][] {
  const { writes_held: isHeld = false, disk_reserve_bytes: bytes = 0 } = usage ?? {};
  if (isHeld) {
    const state = bytes === 0 ? 'the disk is full, the reserve is in use' : 'the disk is nearly full';
    return [['disk', `${state}; databases that write are held`]];
  }
  return bytes === 0 ? [] : [['disk', `${byteSize(bytes)} reserved for the control plane`]];
}

/** Empty for a daemon of an earlier release. */
function sandboxLevel({ sandbox }: Partial<DaemonStatus>): [string, string][] {
  if (sandbox === undefined) return [];
  return [['sandbox', sandbox.reason === null ? sandbox.level : `${sandbox.level}: ${sandbox.reason}`]];
}

/** Empty for a daemon of an earlier release. */
function cgroups({ cgroup }: Partial<DaemonStatus>): [string, string][] {
  if (cgroup === undefined) return [];
  return [['cgroups', cgroup.reason === null ? cgroup.controllers.join(', ') : `none: ${cgroup.reason}`]];
}

/** Empty for a daemon of an earlier release. */
function heldSockets({ sockets }: Partial<DaemonStatus>): [string, string][] {
  if (sockets === undefined) return [];
  return [
    [
      'sockets',
      sockets.held
        ? 'held while instances restart'
        : `not held, so databases do not sleep: ${sockets.reason}`,
    ],
  ];
}

/** Empty while every line is written, and for a daemon of an earlier release, which does not count lost lines. */
function logLosses({ log }: Partial<DaemonStatus>): [string, string][] {
  if (log === undefined || log.dropped === 0) return [];
  const now = log.problem === null ? 'written again now' : log.problem;
  return [['log', `${log.dropped} lines lost since the start (${now})`]];
}

/** `3 running, 1 backing off`; without zeros. */
function counted(names: readonly string[], counts: Readonly<Record<string, number>>): string {
  const present = names.filter((name) => counts[name]);
  return present.map((name) => `${counts[name]} ${name.replace('_', ' ')}`).join(', ') || 'none';
}
