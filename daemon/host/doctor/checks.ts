import { byteSize } from '../../../shared/byte-size.ts';
import { hostAndPort } from '../../../shared/host.ts';
import { resourceProblem } from '../../../shared/resource-use.ts';
import { SANDBOX_LEVELS } from '../../../shared/sandbox.ts';
import { GLOBAL_NAME } from '../../supervisor/global-instance.ts';
import { checkAdvisories } from './advisory-checks.ts';
import { checkAlerts } from './alert-checks.ts';
import { checkBackupSettings, checkBackups, checkErasures, checkInactive } from './backup-checks.ts';
import { checkCluster } from './cluster-checks.ts';
import { checkDaemonLog, checkHungDaemon, checkRelease } from './daemon-checks.ts';
import { checkEdge } from './edge-checks.ts';
import type { DiskFacts } from './facts/disks.ts';
import { type HostFacts, hasDaemon, type PortFacts } from './facts/host-facts.ts';
import { type Finding, type FindingId, fatal, ok, START_DAEMON, warning } from './finding.ts';
import { runFleetChecks } from './fleet-checks.ts';
import { checkMasterKey, checkSessionKey, checkSettingsKey } from './key-checks.ts';
import { checkDatabasePorts, checkMovedPorts, checkPortRange } from './port-checks.ts';
import { checkMail, checkRoom } from './sign-up-checks.ts';

const MIN_NODE_MAJOR = 24;
const MIB = 1024 * 1024;
const DISK_FATAL_BYTES = 100 * MIB;
const DISK_WARNING_BYTES = 1024 * MIB;
/** A new database has about 20 files. */
const FILES_FATAL = 200;
const FILES_WARNING = 5_000;
/** Warn when this share of a limit is used. */
const WARNING_SHARE = 0.8;
/** Of the memory of the host. Below this share, the kernel may soon end instances. */
const LOW_MEMORY_SHARE = 0.05;
/** For other programs of the same user. Each PocketBase uses one. */
const INOTIFY_RESERVE = 64;
/** Limits must be enough for this number of databases, also when there are fewer. */
const MIN_PLANNED_DATABASES = 250;
/** Log, lock, pipes and connections of one instance. */
const FILES_PER_DATABASE = 8;

type Check = (facts: HostFacts) => Finding[];

export const CHECKS: readonly Check[] = [
  checkNode,
  checkConfig,
  checkEnvFiles,
  checkSecrets,
  checkSettingsKey,
  checkMasterKey,
  checkSessionKey,
  checkBinary,
  checkBackupSettings,
  ({ cluster, fathomVersion }) => checkCluster(cluster, fathomVersion),
  checkFlock,
  checkSandbox,
  checkCgroup,
  checkSockets,
  checkDataDir,
  checkDisks,
  checkDiskReserve,
  checkNetworkDisks,
  checkPorts,
  checkPortRange,
  checkDatabasePorts,
  checkMovedPorts,
  checkEdge,
  checkInotify,
  checkOpenFiles,
  checkMemory,
  ({ advisories }) => checkAdvisories(advisories),
  checkDaemon,
  checkRelease,
  checkFleet,
  checkUsage,
];

/** Returns all findings, also those with the level `ok`, in the order of the checks. */
export function runChecks(facts: HostFacts): Finding[] {
  return CHECKS.flatMap((check) => check(facts));
}

export function checkNode({ nodeVersion }: HostFacts): Finding[] {
  const major = Number.parseInt(nodeVersion, 10);
  if (major >= MIN_NODE_MAJOR) return [ok('node', `Node ${nodeVersion}`)];
  return [
    fatal(
      'node',
      `Node ${nodeVersion} is too old; Fathom needs Node ${MIN_NODE_MAJOR}`,
      "run 'npm ci', which installs it",
    ),
  ];
}

export function checkConfig({ config }: HostFacts): Finding[] {
  const warnings = config.warnings.map((text) =>
    warning('config', text, '.env.sample describes all settings'),
  );
  if (config.valid) return warnings.length === 0 ? [ok('config', 'the configuration is valid')] : warnings;
  const problems = config.problems.map(({ path, message }) => {
    // A problem has the form `what is wrong; how to fix it`.
    const cut = message.lastIndexOf('; ');
    const [what, fix] =
      cut === -1 ? [message, 'correct it'] : [message.slice(0, cut), message.slice(cut + 2)];
    return fatal('config', `${path}: ${what}`, fix);
  });
  return [...warnings, ...problems];
}

export function checkEnvFiles({ envFiles }: Pick<HostFacts, 'envFiles'>): Finding[] {
  if (envFiles.length === 0) return [ok('env_file', 'no env file')];
  return envFiles.map(({ path, mode, exposed }) =>
    exposed
      ? warning(
          'env_file',
          `${path} contains secrets and has mode ${octal(mode)}`,
          `run 'chmod 600 ${path}'`,
          [{ kind: 'chmod', path, mode: 0o600 }],
        )
      : ok('env_file', `${path} has mode ${octal(mode)}`),
  );
}

export function checkSecrets({ weakSecrets }: HostFacts): Finding[] {
  if (weakSecrets.length === 0) return [ok('secrets', 'no secret is weak')];
  return weakSecrets.map(({ variable, why }) =>
    warning(
      'secrets',
      `${variable} ${why}`,
      "run 'fathomd init --env-file fresh.env' to generate new secrets; docs/secrets.md describes how to change each",
    ),
  );
}

/** Compares the data directory, the processes and the control plane. */
export function checkFleet({ fleet, daemon, binary, now }: HostFacts): Finding[] {
  if (fleet === null) return [];
  return runFleetChecks(fleet, { now, daemonRuns: hasDaemon(daemon), binary: binary.usable ? binary : null });
}

export function checkBinary({ binary }: HostFacts): Finding[] {
  if (binary.usable) {
    return [ok('binary', `PocketBase ${binary.version} at ${binary.path}, SHA-256 ${binary.sha256}`)];
  }
  return [
    fatal('binary', binary.problem, "run 'npm ci' again, or set PB_BINARY_PATH to a PocketBase executable"),
  ];
}

/** Instances that an earlier daemon started may have a smaller sandbox, or none. */
export function checkSandbox({ sandbox, fleet }: HostFacts): Finding[] {
  if (sandbox === null) return [];
  if ('problem' in sandbox)
    return [
      warning(
        'sandbox',
        `cannot find out the sandbox level: ${sandbox.problem}`,
        'correct the other findings first, then run this again',
      ),
    ];
  const { level, reason } = sandbox;
  const instances = fleet?.instances ?? [];
  const weaker = instances.filter(
    (one) => SANDBOX_LEVELS.indexOf(one.sandbox?.level ?? level) > SANDBOX_LEVELS.indexOf(level),
  );
  const developers = level === 'full' ? [] : instances.filter(({ access }) => access === 'developer');
  const summary = `instances start with the sandbox level ${level}${reason === null ? '' : `: ${reason}`}`;
  const findings = [
    level === 'syscalls' || level === 'none'
      ? warning('sandbox', summary, 'docs/security.md lists what each level needs')
      : ok('sandbox', summary),
  ];
  if (weaker.length > 0)
    findings.push(
      warning(
        'sandbox',
        `instances with a weaker sandbox than ${level}: ${weaker.length}`,
        `restart them with 'fathomd databases restart NAME', or all with 'fathomd stop' and a start`,
      ),
    );
  if (developers.length > 0)
    findings.push(
      warning(
        'sandbox',
        `databases with the access developer, which start with the sandbox level full only: ${developers.length}`,
        "docs/security.md lists what the level full needs; or run 'fathomd databases set NAME --access app'",
      ),
    );
  return findings;
}

/** Without cgroups, the daemon limits memory alone, and an instance can use the processors that others need. */
export function checkCgroup({ cgroup }: HostFacts): Finding[] {
  if (cgroup === null) return [];
  const { controllers, reason } = cgroup;
  return [
    ok(
      'cgroup',
      reason === null
        ? `the kernel limits each instance: ${controllers.join(', ')}`
        : `the kernel does not limit instances: ${reason}`,
    ),
  ];
}

/** Whether connections wait while an instance restarts. */
export function checkSockets({ sockets }: HostFacts): Finding[] {
  if (sockets === null) return [];
  if (sockets.held)
    return [ok('sockets', 'connections wait while an instance starts or sleeps, and none is refused')];
  return [
    warning(
      'sockets',
      `connections are refused while an instance starts, and databases do not sleep: ${sockets.reason}`,
      'allow seccomp filters with notifications (Linux 5.9) in the container or unit',
    ),
  ];
}

export function checkFlock({ flock }: HostFacts): Finding[] {
  switch (flock) {
    case 'ok':
      return [ok('flock', 'flock (util-linux) supports --no-fork')];
    case 'missing':
      return [fatal('flock', "the command 'flock' is missing", "install the package 'util-linux'")];
    case 'no_fork_unknown':
      return [
        fatal('flock', "'flock' does not support --no-fork", "install 'flock' of util-linux 2.32 or newer"),
      ];
  }
}

export function checkDataDir({ dataDir: { path, state, mode } }: HostFacts): Finding[] {
  switch (state) {
    case 'absent':
      return [ok('data_dir', `${path} does not exist yet; the first start creates it`)];
    case 'cannot_be_created':
      return [
        fatal(
          'data_dir',
          `${path} does not exist, and this user cannot create it`,
          'create it for the user of the daemon, or set FATHOM_DATA_DIR',
        ),
      ];
    case 'not_a_directory':
      return [fatal('data_dir', `${path} is not a directory`, 'set FATHOM_DATA_DIR to a directory')];
    case 'not_writable':
      return [
        fatal(
          'data_dir',
          `this user cannot write to ${path}`,
          `run 'chown -R USER ${path}' with the user of the daemon`,
        ),
      ];
    case 'writable':
      if (mode !== null && (mode & 0o077) !== 0) {
        return [
          warning(
            'data_dir',
            `${path} has mode ${octal(mode)}; other users can read it`,
            `run 'chmod 700 ${path}'`,
            [{ kind: 'chmod', path, mode: 0o700 }],
          ),
        ];
      }
      return [ok('data_dir', `only its owner can read and write ${path}`)];
  }
}

/** A full disk is fatal, except one that contains only logs. */
export function checkDisks({ disks }: HostFacts): Finding[] {
  return disks.flatMap(checkDisk);
}

function checkDisk({ directories, freeBytes, freeFiles }: DiskFacts): Finding[] {
  const names = directories.map(({ setting, path }) => `${path} (${setting})`).join(', ');
  if (freeBytes === null)
    return [warning('disk', `cannot read the free space of ${names}`, "run 'df' to see it")];
  const remedy = `delete files, or set ${directories.map(({ setting }) => setting).join(' or ')} to a directory on a larger disk`;
  const onlyLogs = directories.every(({ setting }) => setting === 'LOG_DIR');
  const severe = onlyLogs ? warning : fatal;
  const space = `${Math.floor(freeBytes / MIB)} MiB free for ${names}`;
  const level = freeBytes < DISK_FATAL_BYTES ? severe : freeBytes < DISK_WARNING_BYTES ? warning : null;
  const findings = [level === null ? ok('disk', space) : level('disk', space, remedy)];
  if (freeFiles !== null && freeFiles < FILES_WARNING) {
    const inodes = `${freeFiles} inodes free for ${names}`;
    const inodeRemedy = "delete files ('df -i' shows the count), or create the file system with more inodes";
    findings.push((freeFiles < FILES_FATAL ? severe : warning)('disk', inodes, inodeRemedy));
  }
  return findings;
}

export function checkDiskReserve({ writesHeld }: HostFacts): Finding[] {
  if (!writesHeld) return [];
  return [
    fatal(
      'disk_reserve',
      'the free space is below the disk reserve (DISK_RESERVE_MB), or few inodes are left, so databases that write are held and sign-ups are rejected',
      "free some space ('df' and 'df -i' show it); 'fathomd databases usage' shows the largest databases",
    ),
  ];
}

export function checkNetworkDisks({ networkDisks }: HostFacts): Finding[] {
  return networkDisks.map(({ path, type }) =>
    warning(
      'network_disk',
      `${path} is on a network file system (${type}): SQLite can lose data there, and the daemon hangs while the server does not respond`,
      'move it to a disk of this host, and set FATHOM_DATA_DIR or PB_USER_DBS_PATH',
    ),
  );
}

export function checkPorts({ ports, fleet, daemon }: HostFacts): Finding[] {
  const global = fleet?.processes.find(({ instance }) => instance === GLOBAL_NAME);
  return ports.map((port) => {
    const address = `${port.variable} ${port.host}:${port.port}`;
    const id = port.variable === 'SERVER_PORT' ? 'port_server_port' : 'port_pb_global_port';
    // The next daemon takes the process over. Another finding reports that no daemon runs.
    if (port.state === 'taken' && global?.address === hostAndPort(port.host, port.port))
      return ok(
        id,
        `${address} is used by the global PocketBase${hasDaemon(daemon) ? '' : ', which runs without a daemon'}`,
      );
    return checkPort(id, address, port);
  });
}

function checkPort(id: FindingId, address: string, { state, port, variable }: PortFacts): Finding {
  switch (state) {
    case 'free':
      return ok(id, `${address} is free`);
    case 'ours':
      return ok(id, `${address} is used by the daemon`);
    case 'taken':
      return fatal(
        id,
        `${address} is used by another program`,
        `stop that program ('ss -ltnp sport = :${port}' shows it), or set ${variable}`,
      );
    case 'forbidden':
      return fatal(id, `this user cannot open ${address}`, 'use port 1024 or higher');
    case 'no_such_address':
      return fatal(
        id,
        `${address} is not an address of this host`,
        "use an address from 'ip address', or 127.0.0.1",
      );
  }
}

export function checkInotify({ inotifyInstances, databases }: HostFacts): Finding[] {
  if (inotifyInstances === null) return [];
  const summary = `fs.inotify.max_user_instances is ${inotifyInstances}; each PocketBase uses one (databases: ${databases})`;
  if (databases + 1 < inotifyInstances * WARNING_SHARE) return [ok('inotify', summary)];
  const value = Math.max(1024, 2 ** Math.ceil(Math.log2(databases * 2 + INOTIFY_RESERVE)));
  return [
    warning(
      'inotify',
      summary,
      `put 'fs.inotify.max_user_instances = ${value}' into /etc/sysctl.d/50-fathom.conf, then 'sysctl --system'`,
    ),
  ];
}

export function checkOpenFiles({ openFiles, databases }: HostFacts): Finding[] {
  if (openFiles === null) return [];
  const summary = `${openFiles === Number.POSITIVE_INFINITY ? 'unlimited' : openFiles} open files allowed (databases: ${databases})`;
  const needed = Math.max(databases * 2, MIN_PLANNED_DATABASES) * FILES_PER_DATABASE;
  if (openFiles >= needed) return [ok('open_files', summary)];
  return [
    warning('open_files', summary, "set LimitNOFILE=65536 in the systemd unit, or run 'ulimit -n 65536'"),
  ];
}

export function checkMemory({
  memoryAvailableBytes: available,
  resources: { memory_total_bytes: total },
}: HostFacts): Finding[] {
  const summary = `${byteSize(available)} of memory available${total === null ? '' : ` of ${byteSize(total)}`}`;
  if (total === null || available >= total * LOW_MEMORY_SHARE) return [ok('memory', summary)];
  return [
    warning(
      'memory',
      `${summary}: the kernel may end instances`,
      "find the largest with 'ps -eo rss,args --sort=-rss'; limit databases with DATABASE_MEMORY_MB or 'fathomd databases set NAME --memory-mb N'",
    ),
  ];
}

/** Instances that work, and use so much that they may disturb others or be ended soon. */
export function checkUsage({ fleet, resources }: HostFacts): Finding[] {
  return (fleet?.instances ?? []).flatMap((instance) => {
    const found = resourceProblem(instance, resources);
    if (found === null) return [];
    const [what = '', remedy = ''] = found.text.split('; ');
    return [warning('usage', `${instance.name} ${what}`, remedy)];
  });
}

export function checkDaemon({ daemon, fathomVersion, fleet, dataDir }: HostFacts): Finding[] {
  switch (daemon.state) {
    case 'ready':
      return [
        ok('daemon', `the daemon is running (Fathom ${daemon.version}, pid ${daemon.pid})`),
        ...checkDaemonLog(daemon.log),
        ...checkRoom(daemon.signUps),
        ...checkMail(daemon.signUps, daemon.mail),
        ...checkBackups(daemon.backups),
        ...checkErasures(daemon.trash),
        ...checkAlerts(daemon.alerts),
        ...checkInactive(daemon.inactive),
        ...(daemon.version === fathomVersion
          ? []
          : [
              warning(
                'daemon_version',
                `the daemon has version ${daemon.version}, this program has ${fathomVersion}`,
                "run 'systemctl restart fathomd'; instances keep running",
              ),
            ]),
      ];
    case 'starting':
      return [
        warning(
          'daemon',
          `the daemon is starting (pid ${daemon.pid})`,
          "wait until 'fathomd status' shows that it is ready",
        ),
      ];
    case 'absent':
      return [warning('daemon', `no daemon listens on ${daemon.socketPath}`, START_DAEMON)];
    case 'silent':
      // `stale_socket` reports it.
      if (fleet?.staleSocket) return [];
      if (daemon.pid !== null) return [checkHungDaemon(daemon.pid, daemon)];
      return [
        warning('daemon', daemon.problem, `see 'journalctl -u fathomd' or ${dataDir.path}/logs/fathomd.log`),
      ];
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
