import { isInTrouble } from '../../../shared/instance.ts';
import { ruleOf } from '../../../shared/reasons.ts';
import { firstProblem } from '../../pocketbase/data/page-damage.ts';
import type { FleetFacts } from './facts/fleet-facts.ts';
import { type Finding, type Fix, fatal, ok, START_DAEMON, warning } from './finding.ts';

/** Tolerated difference between the clocks of two hosts that share a disk. */
const CLOCK_SLACK_MS = 5 * 60_000;
/** A clock before this date was never set. */
const EARLIEST_DATE = Date.UTC(2025, 0, 1);
/** Maximum number of names in a summary. */
const MAX_NAMES = 5;

/** Processes are compared with it by content, because an upgrade of Fathom moves the file. */
interface ConfiguredBinary {
  path: string;
  sha256: string;
}

/**
 * Compares the data directory, its processes and the control plane.
 *
 * @param state `daemonRuns`: the daemon responds on its socket
 */
export function runFleetChecks(
  facts: FleetFacts,
  { now, daemonRuns, binary }: { now: Date; daemonRuns: boolean; binary: ConfiguredBinary | null },
): Finding[] {
  return [
    permissions(facts),
    owner(facts),
    clock(facts, now),
    ...stale(facts),
    ...processes(facts, daemonRuns, binary),
    ...versions(facts),
    ...rowsAndDirectories(facts),
    ...addresses(facts),
    ...plans(facts),
    ...accounts(facts, daemonRuns),
    ...migrations(facts),
    ...instances(facts),
  ];
}

function permissions({ exposed }: FleetFacts): Finding {
  if (exposed.length === 0) return ok('permissions', 'other users cannot read the data directory');
  return warning(
    'permissions',
    `other users can read ${list(exposed.map(({ path, mode }) => `${path} (${mode.toString(8)})`))}`,
    "run 'fathomd doctor --fix', or 'chmod 700'",
    exposed.map(({ path }) => ({ kind: 'chmod' as const, path, mode: 0o700 })),
  );
}

function owner({ wrongOwner }: FleetFacts): Finding {
  if (wrongOwner.length === 0) return ok('owner', 'the data directory has one owner');
  return warning(
    'owner',
    `other users own ${list(wrongOwner.map(({ path, uid }) => `${path} (uid ${uid})`))}`,
    "stop the daemon, then run 'chown --no-dereference -R' with the user of the daemon; a program ran as another user",
  );
}

function clock({ newest }: FleetFacts, now: Date): Finding {
  const remedy = "synchronize the clock with NTP ('timedatectl set-ntp true'), then restart the daemon";
  if (now.getTime() < EARLIEST_DATE)
    return fatal('clock', `the time of the host is ${now.toISOString()}`, remedy);
  if (newest && newest.at.getTime() > now.getTime() + CLOCK_SLACK_MS) {
    return warning(
      'clock',
      `the clock went back: ${newest.path} was changed at ${newest.at.toISOString()}, the time of the host is ${now.toISOString()}`,
      remedy,
    );
  }
  return ok('clock', `the time of the host is ${now.toISOString()}`);
}

function removal(path: string): Fix {
  return { kind: 'remove', path };
}

function stale({ staleSocket, stalePidFile, leftovers, rescued }: FleetFacts): Finding[] {
  const findings: Finding[] = [];
  const remedy = "run 'fathomd doctor --fix', or start the daemon, which removes it";
  if (staleSocket !== null) {
    const summary = `no daemon listens on ${staleSocket}; a killed daemon left it`;
    findings.push(warning('stale_socket', summary, START_DAEMON, [removal(staleSocket)]));
  }
  if (stalePidFile !== null) {
    findings.push(
      warning('stale_pid_file', `the process in ${stalePidFile} has ended`, remedy, [removal(stalePidFile)]),
    );
  }
  if (leftovers.length > 0) {
    findings.push(
      warning('leftovers', `incomplete directories: ${list(leftovers)}`, remedy, leftovers.map(removal)),
    );
  }
  if (rescued.length > 0) {
    findings.push(
      warning(
        'rescued',
        `copies of databases whose files were deleted while they ran: ${list(rescued)}`,
        'move the copies that you need back (docs/troubleshooting.md), and remove the others',
      ),
    );
  }
  return findings;
}

function processes(
  { processes: running, rows, versions: pinned }: FleetFacts,
  daemonRuns: boolean,
  binary: ConfiguredBinary | null,
): Finding[] {
  const findings: Finding[] = [];
  const names = (some: typeof running) => list(some.map(({ instance, pid }) => `${instance} (pid ${pid})`));
  const known = rows !== null && 'names' in rows ? new Set([...rows.names, 'global']) : null;
  const orphans = running.filter(({ instance }) => known?.has(instance) === false);
  if (orphans.length > 0) {
    findings.push(
      warning(
        'orphans',
        `processes of databases that are not in the control plane: ${names(orphans)}`,
        "end them with 'kill', or restart the daemon, which ends them",
      ),
    );
  }
  if (!daemonRuns && running.length > orphans.length) {
    findings.push(
      warning(
        'unsupervised',
        `${running.length - orphans.length} instances run without a daemon`,
        'start the daemon, which takes them over; they keep serving',
      ),
    );
  }
  const ofPinned = new Map(
    pinned.flatMap(({ sha256, instances: some }) => some.map((name) => [name, sha256] as const)),
  );
  const other = running.filter(({ instance, sha256 }) => {
    const wanted = ofPinned.has(instance) ? ofPinned.get(instance) : binary?.sha256;
    return sha256 !== null && typeof wanted === 'string' && sha256 !== wanted;
  });
  if (other.length > 0) {
    findings.push(
      warning(
        'other_binary',
        `instances that run another executable than they should: ${names(other)}`,
        'restart the daemon, which restarts them with the configured executable',
      ),
    );
  }
  return findings;
}

function versions({ versions: pinned }: FleetFacts): Finding[] {
  const findings: Finding[] = pinned.flatMap(({ version, problem, instances: names }) =>
    problem === null
      ? []
      : [
          warning(
            'versions',
            `${list(names)}: pinned to PocketBase ${version}, which cannot be used: ${problem}`,
            `run 'fathomd pocketbase install ${version}', or 'fathomd databases pin NAME --fleet'`,
          ),
        ],
  );
  if (findings.length > 0 || pinned.length === 0) return findings;
  const counts = pinned.map(({ version, instances: { length } }) => `${length} to ${version}`);
  return [ok('versions', `instances are pinned: ${counts.join(', ')}`)];
}

function rowsAndDirectories({ rows, directories, damaged, withoutData }: FleetFacts): Finding[] {
  const findings: Finding[] = [];
  if (rows !== null && 'problem' in rows) {
    findings.push(
      fatal(
        'control_plane',
        `cannot read the global database: ${rows.problem}`,
        "see 'fathomd logs global'; stop the daemon, restore global/pb_data from a backup, then start it",
      ),
    );
  } else if (rows !== null) {
    const onDisk = new Set(directories);
    const inRows = new Set(rows.names);
    const withoutDirectory = rows.names.filter((name) => !onDisk.has(name));
    const withoutRow = directories.filter((name) => !inRows.has(name));
    if (withoutDirectory.length > 0) {
      findings.push(
        warning(
          'without_directory',
          `databases without a directory: ${list(withoutDirectory)}`,
          'if it stays so, restore the directory from a backup, or delete the database in the console',
        ),
      );
    }
    if (withoutRow.length > 0) {
      findings.push(
        warning(
          'without_row',
          `directories of databases that are not in the control plane: ${list(withoutRow)}`,
          'check their content, and move them away; Fathom never removes them',
        ),
      );
    }
  }
  for (const { name, problem } of damaged) {
    findings.push(
      (name === 'global' ? fatal : warning)(
        'damaged',
        `the database of ${name} is damaged: ${firstProblem(problem)}`,
        name === 'global'
          ? 'stop the daemon, copy pb_data, restore a backup, then start the daemon'
          : `run 'fathomd databases stop ${name}', copy pb_data, restore a backup, then run 'fathomd databases start ${name}'`,
      ),
    );
  }
  // Directories without a row have a finding of their own.
  const known = rows !== null && 'names' in rows ? new Set(rows.names) : null;
  const missing = withoutData.filter((name) => known?.has(name) !== false);
  if (missing.length > 0) {
    findings.push(
      warning(
        'without_data',
        `databases without data.db: ${list(missing)}`,
        "move a copy named .rescued-NAME-…, or a backup, to pb_data in their directories, then run 'fathomd databases start NAME'",
      ),
    );
  }
  if (findings.length === 0 && rows !== null) {
    findings.push(
      ok(
        'control_plane',
        `all databases are in the control plane, none is damaged (databases: ${directories.length})`,
      ),
    );
  }
  return findings;
}

function addresses({ rows }: FleetFacts): Finding[] {
  const sameAddress = rows !== null && 'sameAddress' in rows ? rows.sameAddress : [];
  if (sameAddress.length === 0) return [];
  return [
    warning(
      'addresses',
      `accounts with the same e-mail address: ${list(sameAddress.map((pair) => pair.join(' and ')))}`,
      "delete one of them with 'fathomd users delete ID', or change its address at the global PocketBase",
    ),
  ];
}

function plans({ rows }: FleetFacts): Finding[] {
  const invalid = rows !== null && 'invalidPlans' in rows ? rows.invalidPlans : [];
  if (invalid.length === 0) return [];
  return [
    warning(
      'plans',
      `plans with invalid limits, which are ignored: ${list(invalid.map(({ name, limits }) => `${name} (${limits.join(', ')})`))}`,
      "set them again with 'fathomd plans set PLAN'",
    ),
  ];
}

function accounts({ openAccounts }: FleetFacts, daemonRuns: boolean): Finding[] {
  if (openAccounts.length === 0) return [];
  const remedy = daemonRuns
    ? "run 'fathomd databases restart NAME', which removes the access; remove additional accounts yourself"
    : START_DAEMON;
  const databases = openAccounts.map(({ name, problems }) => `${name} (${problems.join('; ')})`);
  return [fatal('accounts', `other accounts than the owner may have access to ${list(databases)}`, remedy)];
}

function migrations({ migrations: facts }: FleetFacts): Finding[] {
  if (facts === null) return [];
  const { count, problem, untried, drift } = facts;
  const apply = "then run 'fathomd databases restart NAME', or restart the daemon";
  const findings: Finding[] = [];
  if (problem !== null) {
    findings.push(
      warning(
        'migrations',
        `the migrations of user databases are not used: ${problem.message}`,
        `correct the file, ${apply}; databases keep the last valid ones`,
      ),
    );
  }
  if (untried.length > 0) {
    findings.push(
      warning(
        'migrations',
        `the daemon has not tested ${list(untried)}`,
        "run 'fathomd databases restart NAME' for one database",
      ),
    );
  }
  if (findings.length === 0) findings.push(ok('migrations', `migration files: ${count}`));
  return [
    ...findings,
    ...drift.map(({ file, change, databases }) =>
      warning(
        'migration_drift',
        `${file} ${change === 'changed' ? 'was changed after it was applied' : 'is missing, and is applied'} in ${list(databases)}`,
        'restore the file, and put the change into a new migration',
      ),
    ),
  ];
}

function instances({ instances: all }: FleetFacts): Finding[] {
  if (all === null) return [];
  const inTrouble = all.filter(isInTrouble);
  if (inTrouble.length === 0) return [ok('instances', `${all.length} instances, none in trouble`)];
  return [...Map.groupBy(inTrouble, ({ reason }) => reason?.code ?? null)].map(([code, some]) =>
    warning(
      'instances',
      `in trouble${code === null ? '' : ` (${code})`}: ${list(some.map(({ name, phase }) => `${name} (${phase})`))}`,
      `${code === null ? '' : `${ruleOf(code).remedy}; `}'fathomd databases list' shows each message, docs/states.md explains each reason`,
    ),
  );
}

function list(items: readonly string[]): string {
  const more = items.length > MAX_NAMES ? ` and ${items.length - MAX_NAMES} more` : '';
  return `${items.slice(0, MAX_NAMES).join(', ')}${more}`;
}
