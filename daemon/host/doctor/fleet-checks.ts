import { isInTrouble } from '../../../shared/instance.ts';
import { ruleOf } from '../../../shared/reasons.ts';
import { firstProblem } from '../../pocketbase/data/page-damage.ts';
import type { FleetFacts } from './facts/fleet-facts.ts';
import { type Finding, type Fix, fatal, ok, START_DAEMON, warning } from './finding.ts';

/** More than the clocks of two hosts that share a disk are apart. */
const CLOCK_SLACK_MS = 5 * 60_000;
/** No clock that was ever set is before this. */
const NOT_BEFORE = Date.UTC(2025, 0, 1);
/** Of a long list, so many are named. */
const NAMED = 5;

/** Processes are compared with it by content: an upgrade of Fathom moves the file. */
interface ConfiguredBinary {
  path: string;
  sha256: string;
}

/** What a data directory, its processes and the control plane say together; `daemonRuns` as it answers itself. */
export function judgeFleet(
  facts: FleetFacts,
  { now, daemonRuns, binary }: { now: Date; daemonRuns: boolean; binary: ConfiguredBinary | null },
): Finding[] {
  return [
    permissions(facts),
    owner(facts),
    clock(facts, now),
    ...stale(facts),
    ...processes(facts, daemonRuns, binary),
    ...rowsAndDirectories(facts),
    ...addresses(facts),
    ...accounts(facts, daemonRuns),
    ...migrations(facts),
    ...instances(facts),
  ];
}

function permissions({ open }: FleetFacts): Finding {
  if (open.length === 0) return ok('permissions', 'nothing in the data directory is open to others');
  return warning(
    'permissions',
    `others may look into ${list(open.map(({ path, mode }) => `${path} (${mode.toString(8)})`))}`,
    "run 'fathomd doctor --fix', or 'chmod 700' them",
    open.map(({ path }) => ({ kind: 'chmod' as const, path, mode: 0o700 })),
  );
}

function owner({ foreign }: FleetFacts): Finding {
  if (foreign.length === 0) return ok('owner', 'everything belongs to the owner of the data directory');
  return warning(
    'owner',
    `other users own ${list(foreign.map(({ path, uid }) => `${path} (uid ${uid})`))}`,
    "run 'chown -R' to give them to the user of the daemon; a program ran as another user",
  );
}

function clock({ newest }: FleetFacts, now: Date): Finding {
  const remedy = "set the clock and keep it with NTP: 'timedatectl set-ntp true'; restart the daemon then";
  if (now.getTime() < NOT_BEFORE) return fatal('clock', `the clock says ${now.toISOString()}`, remedy);
  if (newest && newest.at.getTime() > now.getTime() + CLOCK_SLACK_MS) {
    return warning(
      'clock',
      `${newest.path} was changed at ${newest.at.toISOString()}, and the clock says ${now.toISOString()}: it went back`,
      remedy,
    );
  }
  return ok('clock', `the clock says ${now.toISOString()}`);
}

function removal(path: string): Fix {
  return { kind: 'remove', path };
}

function stale({ staleSocket, stalePidFile, leftovers, rescued }: FleetFacts): Finding[] {
  const findings: Finding[] = [];
  const fix = "run 'fathomd doctor --fix', or start the daemon, which clears it away";
  if (staleSocket !== null) {
    const what = `no daemon listens on ${staleSocket}, which one that was killed left behind`;
    findings.push(warning('stale_socket', what, START_DAEMON, [removal(staleSocket)]));
  }
  if (stalePidFile !== null) {
    findings.push(
      warning('stale_pid_file', `${stalePidFile} names a process that is gone`, fix, [removal(stalePidFile)]),
    );
  }
  if (leftovers.length > 0) {
    findings.push(
      warning('leftovers', `half made or half deleted: ${list(leftovers)}`, fix, leftovers.map(removal)),
    );
  }
  if (rescued.length > 0) {
    findings.push(
      warning(
        'rescued',
        `saved from databases whose files were deleted while they ran: ${list(rescued)}`,
        'move what is needed back into place (docs/troubleshooting.md), remove what is not',
      ),
    );
  }
  return findings;
}

function processes(
  { processes: running, rows }: FleetFacts,
  daemonRuns: boolean,
  binary: ConfiguredBinary | null,
): Finding[] {
  const findings: Finding[] = [];
  const named = (some: typeof running) => list(some.map(({ instance, pid }) => `${instance} (pid ${pid})`));
  const known = rows !== null && 'names' in rows ? new Set([...rows.names, 'global']) : null;
  const orphans = running.filter(({ instance }) => known?.has(instance) === false);
  if (orphans.length > 0) {
    findings.push(
      warning(
        'orphans',
        `processes of databases that no row names: ${named(orphans)}`,
        "end them with 'kill'; the next start of the daemon does so too",
      ),
    );
  }
  if (!daemonRuns && running.length > orphans.length) {
    findings.push(
      warning(
        'unsupervised',
        `${running.length - orphans.length} instances run without a daemon`,
        'start the daemon, which takes them over; they serve meanwhile',
      ),
    );
  }
  const other = running.filter(({ sha256 }) => sha256 !== null && sha256 !== binary?.sha256);
  if (binary !== null && other.length > 0) {
    findings.push(
      warning(
        'other_binary',
        `run another executable than ${binary.path}: ${named(other)}`,
        'restart the daemon, which restarts these instances with the configured one',
      ),
    );
  }
  return findings;
}

function rowsAndDirectories({ rows, directories, damaged }: FleetFacts): Finding[] {
  const findings: Finding[] = [];
  if (rows !== null && 'problem' in rows) {
    findings.push(
      fatal(
        'control_plane',
        `the global database cannot be read: ${rows.problem}`,
        "stop the daemon, restore global/pb_data from a backup, then start it; 'fathomd logs global' says more",
      ),
    );
  } else if (rows !== null) {
    const there = new Set(directories);
    const named = new Set(rows.names);
    const lost = rows.names.filter((name) => !there.has(name));
    const nobodys = directories.filter((name) => !named.has(name));
    if (lost.length > 0) {
      findings.push(
        warning(
          'without_directory',
          `databases that have a row and no directory: ${list(lost)}`,
          'restore their directory from a backup, or delete them in the console; one that is being made is done in a moment',
        ),
      );
    }
    if (nobodys.length > 0) {
      findings.push(
        warning(
          'without_row',
          `directories that no row names: ${list(nobodys)}`,
          'look what is in them, and move them away; Fathom never removes them by itself',
        ),
      );
    }
  }
  for (const { name, problem } of damaged) {
    findings.push(
      (name === 'global' ? fatal : warning)(
        'damaged',
        `the database of ${name} is damaged: ${firstProblem(problem)}`,
        'stop it, copy pb_data away, restore a backup, start it',
      ),
    );
  }
  if (findings.length === 0 && rows !== null) {
    findings.push(
      ok('control_plane', `each database has its row, none is damaged (databases: ${directories.length})`),
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
      `accounts of one address: ${list(sameAddress.map((pair) => pair.join(' and ')))}`,
      "delete one of the two with 'fathomd users delete ID', or change its address at the global PocketBase",
    ),
  ];
}

function accounts({ openAccounts }: FleetFacts, daemonRuns: boolean): Finding[] {
  if (openAccounts.length === 0) return [];
  const remedy = daemonRuns
    ? "run 'fathomd databases restart NAME': each start closes them; accounts besides the owner's are for a person to remove"
    : START_DAEMON;
  const which = openAccounts.map(({ name, problems }) => `${name} (${problems.join('; ')})`);
  return [fatal('accounts', `others than the owner may have access to ${list(which)}`, remedy)];
}

function migrations({ migrations: facts }: FleetFacts): Finding[] {
  if (facts === null) return [];
  const { count, problem, untried, drift } = facts;
  const again = "then run 'fathomd databases restart NAME', or restart the daemon";
  const findings: Finding[] = [];
  if (problem !== null) {
    findings.push(
      warning(
        'migrations',
        `the migrations of user databases are not used: ${problem.message}`,
        `correct the file, ${again}; databases keep the last good ones`,
      ),
    );
  }
  if (untried.length > 0) {
    findings.push(
      warning(
        'migrations',
        `the daemon has not tried out ${list(untried)}`,
        "run 'fathomd databases restart NAME' with one database",
      ),
    );
  }
  if (findings.length === 0) findings.push(ok('migrations', `${count} files of migrations`));
  return [
    ...findings,
    ...drift.map(({ file, change, databases }) =>
      warning(
        'migration_drift',
        `${file} ${change === 'changed' ? 'was changed after it was applied' : 'is missing, and is applied'} in ${list(databases)}`,
        'put the file back as it was, and write what is new into another migration',
      ),
    ),
  ];
}

function instances({ instances: all }: FleetFacts): Finding[] {
  if (all === null) return [];
  const ill = all.filter(isInTrouble);
  if (ill.length === 0) return [ok('instances', `${all.length} instances, none in trouble`)];
  return [...Map.groupBy(ill, ({ reason }) => reason?.code ?? null)].map(([code, some]) =>
    warning(
      'instances',
      `in trouble${code === null ? '' : ` (${code})`}: ${list(some.map(({ name, phase }) => `${name} (${phase})`))}`,
      `${code === null ? '' : `${ruleOf(code).remedy}; `}'fathomd databases list' shows the message of each, docs/states.md each reason`,
    ),
  );
}

function list(items: readonly string[]): string {
  const more = items.length > NAMED ? ` and ${items.length - NAMED} more` : '';
  return `${items.slice(0, NAMED).join(', ')}${more}`;
}
