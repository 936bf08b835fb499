import type { DaemonStatus } from '../../shared/api/daemon.ts';
import type { Instance } from '../../shared/api/instances.ts';
import { backupProblems } from '../../shared/backup-failure.ts';
import { byteSize } from '../../shared/byte-size.ts';
import { crashRate, isCrashLoop } from '../../shared/crashes.ts';
import { erasureProblem } from '../../shared/erasures.ts';
import { describeExposure } from '../../shared/exposure.ts';
import { isInTrouble } from '../../shared/instance.ts';
import { ruleOf } from '../../shared/reasons.ts';
import { type Observation, PROBLEM_CLASSES, type Problem, type ProblemClass } from './problem.ts';

const MIB = 1024 * 1024;
/** The same as in `fathomd doctor`. */
const LOW_DISK_BYTES = 1024 * MIB;
const FULL_DISK_BYTES = 100 * MIB;

type Status = Pick<
  DaemonStatus,
  'ready' | 'waiting_for' | 'queue' | 'usage' | 'backups' | 'trash' | 'inactive' | 'exposure' | 'sign_ups'
>;
type InTrouble = Pick<Instance, 'name' | 'phase' | 'desired' | 'reason' | 'crashes'>;

/** Classes that can be seen while the daemon starts. */
const OF_HOST: ReadonlySet<ProblemClass> = new Set(['control_plane', 'disk', 'certificate']);

/**
 * Finds what is wrong now.
 *
 * @param instances those in trouble, or all
 * @param certificate problems of the certificate; null if they are unknown
 */
export function findProblems(
  status: Status,
  instances: readonly InTrouble[],
  certificate: readonly Problem[] | null,
): Observation {
  const { usage, queue } = status;
  const unknown = new Set<ProblemClass>(usage === null ? ['disk'] : []);
  if (certificate === null) unknown.add('certificate');
  const host = [...controlPlane(status), ...disk(status), ...(certificate ?? [])];
  if (!status.ready) {
    for (const name of PROBLEM_CLASSES) if (!OF_HOST.has(name)) unknown.add(name);
    return { problems: host, unknown };
  }
  if (queue === null) unknown.add('dead_letters');
  return {
    problems: [
      ...host,
      ...instances.filter(isInTrouble).flatMap(ofInstance),
      ...backups(status),
      ...advisories(status),
      ...room(status),
      ...deadLetters(status),
    ],
    unknown,
  };
}

function controlPlane({ ready, waiting_for, queue }: Status): Problem[] {
  if (ready && queue !== null) return [];
  const text = ready
    ? 'the global PocketBase does not answer'
    : `the daemon is not ready: it waits for ${waiting_for ?? 'the fleet'}`;
  return [
    {
      ...NO_DATABASE,
      key: 'control_plane',
      class: 'control_plane',
      severity: 'critical',
      text,
      remedy: "see 'fathomd status' and 'fathomd logs global'",
      extent: 1,
    },
  ];
}

function disk({ usage }: Status): Problem[] {
  if (usage === null) return [];
  const { disk_free_bytes: free, disk_path: path, writes_held: isHeld } = usage;
  if (!isHeld && (free === null || free >= LOW_DISK_BYTES)) return [];
  const space = `${byteSize(free ?? 0)} free on the disk of ${path ?? 'FATHOM_DATA_DIR'}`;
  return [
    {
      ...NO_DATABASE,
      key: 'disk',
      class: 'disk',
      severity: isHeld || (free ?? 0) < FULL_DISK_BYTES ? 'critical' : 'warning',
      text: isHeld ? `${space}: databases that write are held, and sign-ups are rejected` : `only ${space}`,
      remedy: "free some space; 'fathomd databases usage' shows the largest databases",
      extent: 1,
    },
  ];
}

function ofInstance({ name, phase, reason, crashes }: InTrouble): Problem[] {
  // The problem `disk` reports it once for all databases.
  if (reason?.code === 'disk_reserve') return [];
  const rule = reason === null ? null : ruleOf(reason.code);
  const isQuota = reason?.code === 'over_disk' || reason?.code === 'near_disk_limit';
  const isLoop = isCrashLoop(crashes);
  const kind = phase === 'failed' ? 'failed' : isQuota ? 'quota' : isLoop ? 'crash_loop' : 'database';
  const cause = rule === null ? 'does not answer' : (rule.text ?? rule.cause);
  const state = kind === 'failed' ? 'has failed: ' : isLoop && !isQuota ? `${crashRate(crashes)}: ` : '';
  return [
    {
      key: `${isQuota ? 'quota' : 'database'}:${name}`,
      class: kind,
      severity: 'warning',
      database: name,
      text: `${name}: ${state}${cause}`,
      remedy: rule === null ? `see 'fathomd logs ${name}'` : rule.remedy.replaceAll('NAME', name),
      // A problem that gets worse is sent again.
      extent: EXTENT_OF[kind],
    },
  ];
}

const EXTENT_OF = { quota: 1, database: 1, crash_loop: 2, failed: 4 } as const;

function backups({ backups: status, trash, inactive }: Status): Problem[] {
  const erasure = erasureProblem(trash);
  return [
    ...backupProblems(status).map(({ kind, databases, text, remedy }) =>
      warning({ key: `backup:${kind}`, class: 'backup', text, remedy, extent: databases }),
    ),
    ...(erasure === null
      ? []
      : [warning({ ...erasure, key: 'backup:erasures', class: 'backup', extent: trash.erasures_pending })]),
    ...unarchived(inactive),
  ];
}

/** Without the message, which can have the address of an owner. */
function unarchived({ blocked, problem }: Status['inactive']): Problem[] {
  if (blocked === 0 || problem === null) return [];
  return [
    warning({
      key: 'backup:inactive',
      class: 'backup',
      text: `databases that are not used cannot be archived: ${blocked}`,
      remedy: "run 'fathomd doctor'",
      extent: blocked,
    }),
  ];
}

function advisories({ exposure: { versions, remedy } }: Status): Problem[] {
  return versions.map((affected) =>
    warning({
      key: `advisory:${affected.version}`,
      class: 'advisory',
      text: describeExposure(affected),
      remedy,
      extent: affected.instances,
    }),
  );
}

function room({ sign_ups: { databases, max_databases: max } }: Status): Problem[] {
  if (max === null || databases < max) return [];
  return [
    warning({
      key: 'quota:max_databases',
      class: 'quota',
      text: `${databases} of ${max} databases exist, so sign-ups are rejected`,
      remedy: 'raise MAX_DATABASES and reload the daemon, or delete databases',
      extent: 1,
    }),
  ];
}

function deadLetters({ queue }: Status): Problem[] {
  const dead = queue?.dead ?? 0;
  if (dead === 0) return [];
  return [
    warning({
      key: 'dead_letters',
      class: 'dead_letters',
      text: dead === 1 ? '1 task is dead' : `${dead} tasks are dead`,
      remedy: "'fathomd queue dead' groups them by error, 'fathomd queue retry' tries them again",
      extent: dead,
    }),
  ];
}

const NO_DATABASE = { database: null } as const;

function warning(problem: Omit<Problem, 'severity' | 'database'>): Problem {
  return { ...NO_DATABASE, severity: 'warning', ...problem };
}
