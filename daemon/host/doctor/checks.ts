import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { hostAndPort } from '../../../shared/host.ts';
import { GLOBAL_NAME } from '../../supervisor/global-instance.ts';
import type { DiskFacts } from './facts/disks.ts';
import type { HostFacts, PortFacts } from './facts/host-facts.ts';
import { type Finding, type FindingId, fatal, ok, START_DAEMON, warning } from './finding.ts';
import { judgeFleet } from './fleet-checks.ts';
import { checkMasterKey, checkSessionKey, checkSettingsKey } from './key-checks.ts';

const MIN_NODE_MAJOR = 24;
const MIB = 1024 * 1024;
const DISK_FATAL_BYTES = 100 * MIB;
const DISK_WARNING_BYTES = 1024 * MIB;
/** A new database has some twenty files. */
const FILES_FATAL = 200;
const FILES_WARNING = 5_000;
/** Of a limit, above which it is time to raise it. */
const NEARLY_USED = 0.8;
/** Room for other programs of the same user, on top of one per PocketBase. */
const INOTIFY_SPARE = 64;
/** What an ordinary fleet may grow to before the administrator has to look at limits again. */
const COMFORTABLE_DATABASES = 250;
/** Log, lock, pipes and connections of one instance, in the daemon and in the instance's share. */
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
  checkFlock,
  checkDataDir,
  checkDisks,
  checkNetworkDisks,
  checkPorts,
  checkInotify,
  checkOpenFiles,
  checkDaemon,
  checkRelease,
  checkFleet,
];

/** Every finding, the good ones too, in the order of the checks. */
export function judge(facts: HostFacts): Finding[] {
  return CHECKS.flatMap((check) => check(facts));
}

export function checkNode({ nodeVersion }: HostFacts): Finding[] {
  const major = Number.parseInt(nodeVersion, 10);
  if (major >= MIN_NODE_MAJOR) return [ok('node', `Node ${nodeVersion}`)];
  return [
    fatal(
      'node',
      `Node ${nodeVersion} is too old, ${MIN_NODE_MAJOR} is needed`,
      "run 'npm ci', which brings the right one along",
    ),
  ];
}

export function checkConfig({ config }: HostFacts): Finding[] {
  const odd = config.warnings.map((text) => warning('config', text, 'see .env.sample for every setting'));
  if (config.valid) return odd.length === 0 ? [ok('config', 'the configuration is valid')] : odd;
  const wrong = config.problems.map(({ path, message }) => {
    // A problem has the form `what is wrong; how to fix it`.
    const cut = message.lastIndexOf('; ');
    const [what, fix] =
      cut === -1 ? [message, 'correct it'] : [message.slice(0, cut), message.slice(cut + 2)];
    return fatal('config', `${path}: ${what}`, fix);
  });
  return [...odd, ...wrong];
}

export function checkEnvFiles({ envFiles }: HostFacts): Finding[] {
  if (envFiles.length === 0) return [ok('env_file', 'no env file is used')];
  return envFiles.map(({ path, mode, exposed }) =>
    exposed
      ? warning('env_file', `${path} holds secrets and has mode ${octal(mode)}`, `run 'chmod 600 ${path}'`, [
          { kind: 'chmod', path, mode: 0o600 },
        ])
      : ok('env_file', `${path} has mode ${octal(mode)}`),
  );
}

export function checkSecrets({ weakSecrets }: HostFacts): Finding[] {
  if (weakSecrets.length === 0) return [ok('secrets', 'no secret is weak')];
  return weakSecrets.map(({ variable, why }) =>
    warning(
      'secrets',
      `${variable} ${why}`,
      "take one that 'fathomd init --env-file fresh.env' makes; docs/secrets.md says how to change each",
    ),
  );
}

/** What the data directory, the processes and the control plane say together. */
export function checkFleet({ fleet, daemon, binary, now }: HostFacts): Finding[] {
  if (fleet === null) return [];
  const daemonRuns = daemon.state === 'ready' || daemon.state === 'starting';
  return judgeFleet(fleet, { now, daemonRuns, binary: binary.usable ? binary : null });
}

export function checkBinary({ binary }: HostFacts): Finding[] {
  if (binary.usable) {
    return [ok('binary', `PocketBase ${binary.version} at ${binary.path}, SHA-256 ${binary.sha256}`)];
  }
  return [
    fatal('binary', binary.problem, "run 'npm ci' again, or set PB_BINARY_PATH to a PocketBase executable"),
  ];
}

export function checkFlock({ flock }: HostFacts): Finding[] {
  switch (flock) {
    case 'ok':
      return [ok('flock', 'flock (util-linux) is there and knows --no-fork')];
    case 'missing':
      return [fatal('flock', "the command 'flock' is missing", "install the package 'util-linux'")];
    case 'no_fork_unknown':
      return [
        fatal(
          'flock',
          "'flock' does not know --no-fork",
          "install 'flock' of util-linux 2.32 or newer in place of the present one",
        ),
      ];
  }
}

export function checkDataDir({ dataDir: { path, state, mode } }: HostFacts): Finding[] {
  switch (state) {
    case 'absent':
      return [ok('data_dir', `${path} does not exist yet and can be made`)];
    case 'cannot_be_made':
      return [
        fatal(
          'data_dir',
          `${path} does not exist and cannot be made by this user`,
          `make it and give it to the user of the daemon, or set FATHOM_DATA_DIR`,
        ),
      ];
    case 'not_a_directory':
      return [fatal('data_dir', `${path} is not a directory`, 'set FATHOM_DATA_DIR to one')];
    case 'not_writable':
      return [
        fatal(
          'data_dir',
          `${path} is not writable for this user`,
          `give it to the user of the daemon: 'chown -R <user> ${path}'`,
        ),
      ];
    case 'writable':
      if (mode !== null && (mode & 0o077) !== 0) {
        return [
          warning(
            'data_dir',
            `${path} has mode ${octal(mode)}, other users may look in`,
            `run 'chmod 700 ${path}'`,
            [{ kind: 'chmod', path, mode: 0o700 }],
          ),
        ];
      }
      return [ok('data_dir', `${path} is writable, for its owner alone`)];
  }
}

/** The disks of data, of databases and of the socket stop Fathom when they are full; one that has logs alone does not. */
export function checkDisks({ disks }: HostFacts): Finding[] {
  return disks.flatMap(checkDisk);
}

function checkDisk({ places, freeBytes, freeFiles }: DiskFacts): Finding[] {
  const where = places.map(({ setting, path }) => `${path} (${setting})`).join(', ');
  if (freeBytes === null)
    return [warning('disk', `the free space of ${where} cannot be read`, "look with 'df'")];
  const remedy = `free some space, or set ${places.map(({ setting }) => setting).join(' or ')} to a larger disk`;
  const onlyLogs = places.every(({ setting }) => setting === 'LOG_DIR');
  const bad = onlyLogs ? warning : fatal;
  const space = `${Math.floor(freeBytes / MIB)} MiB free for ${where}`;
  const level = freeBytes < DISK_FATAL_BYTES ? bad : freeBytes < DISK_WARNING_BYTES ? warning : null;
  const findings = [level === null ? ok('disk', space) : level('disk', space, remedy)];
  if (freeFiles !== null && freeFiles < FILES_WARNING) {
    const inodes = `${freeFiles} more files can be made for ${where}`;
    const instead = "remove some files ('df -i' shows the count), or make the file system with more inodes";
    findings.push((freeFiles < FILES_FATAL ? bad : warning)('disk', inodes, instead));
  }
  return findings;
}

export function checkNetworkDisks({ networkDisks }: HostFacts): Finding[] {
  return networkDisks.map(({ path, type }) =>
    warning(
      'network_disk',
      `${path} is on a network file system (${type}): SQLite can lose data there, and the daemon hangs while the server does not answer`,
      'move it to a disk of this host, and set FATHOM_DATA_DIR or PB_USER_DBS_PATH; a FUSE file system of its own disk is fine',
    ),
  );
}

export function checkPorts({ ports, fleet }: HostFacts): Finding[] {
  const global = fleet?.processes.find(({ instance }) => instance === GLOBAL_NAME);
  return ports.map((port) => {
    const what = `${port.variable} ${port.host}:${port.port}`;
    const id = port.variable === 'SERVER_PORT' ? 'port_server_port' : 'port_pb_global_port';
    // The next daemon takes it over, so this is as it should be; that there is no daemon has a finding of its own.
    if (port.state === 'taken' && global?.address === hostAndPort(port.host, port.port))
      return ok(id, `${what} is held by our global PocketBase, which runs on without a daemon`);
    return judgePort(id, what, port);
  });
}

function judgePort(id: FindingId, what: string, { state, port, variable }: PortFacts): Finding {
  switch (state) {
    case 'free':
      return ok(id, `${what} is free`);
    case 'ours':
      return ok(id, `${what} is held by our daemon`);
    case 'taken':
      return fatal(
        id,
        `${what} is taken by another program`,
        `stop that program ('ss -ltnp sport = :${port}' names it), or set ${variable}`,
      );
    case 'forbidden':
      return fatal(id, `${what} may not be opened by this user`, 'use a port of 1024 or more');
    case 'no_such_address':
      return fatal(id, `${what} is no address of this host`, "use one that 'ip address' shows, or 127.0.0.1");
  }
}

export function checkInotify({ inotifyInstances, databases }: HostFacts): Finding[] {
  if (inotifyInstances === null) return [];
  const summary = `fs.inotify.max_user_instances is ${inotifyInstances}, every PocketBase takes one (databases: ${databases})`;
  if (databases + 1 < inotifyInstances * NEARLY_USED) return [ok('inotify', summary)];
  const value = Math.max(1024, 2 ** Math.ceil(Math.log2(databases * 2 + INOTIFY_SPARE)));
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
  const summary = `${openFiles === Number.POSITIVE_INFINITY ? 'any number of' : openFiles} open files allowed (databases: ${databases})`;
  const wanted = Math.max(databases * 2, COMFORTABLE_DATABASES) * FILES_PER_DATABASE;
  if (openFiles >= wanted) return [ok('open_files', summary)];
  return [
    warning('open_files', summary, "raise it: LimitNOFILE=65536 in the systemd unit, or 'ulimit -n 65536'"),
  ];
}

export function checkDaemon({ daemon, fathomVersion, fleet, dataDir }: HostFacts): Finding[] {
  switch (daemon.state) {
    case 'ready':
      return [
        ok('daemon', `the daemon answers (Fathom ${daemon.version}, pid ${daemon.pid})`),
        ...checkDaemonLog(daemon.log),
        ...(daemon.version === fathomVersion
          ? []
          : [
              warning(
                'daemon_version',
                `the daemon is Fathom ${daemon.version}, this is ${fathomVersion}`,
                "restart the daemon: 'systemctl restart fathomd'; instances run on meanwhile",
              ),
            ]),
      ];
    case 'starting':
      return [
        warning('daemon', `the daemon is starting (pid ${daemon.pid})`, "wait, and see 'fathomd status'"),
      ];
    case 'absent':
      return [warning('daemon', `no daemon listens on ${daemon.socketPath}`, START_DAEMON)];
    case 'silent':
      // Of the socket of a daemon that is gone, `stale_socket` says it all.
      if (fleet?.staleSocket) return [];
      return [
        warning(
          'daemon',
          daemon.problem,
          `'journalctl -u fathomd' says more, or ${dataDir.path}/logs/fathomd.log`,
        ),
      ];
  }
}

function checkDaemonLog({ dropped, problem }: DaemonStatus['log']): Finding[] {
  if (dropped === 0) return [];
  const now = problem === null ? 'it is written again now' : `none is written now (${problem})`;
  return [
    warning(
      'daemon_log',
      `${dropped} log lines of the daemon are lost since its start; ${now}`,
      'free space on the disk of its log, or see to it that its output is read; then restart it to count from 0',
    ),
  ];
}

export function checkRelease({ unfinishedChange }: HostFacts): Finding[] {
  if (unfinishedChange === null) return [];
  return [
    warning('release', `${unfinishedChange.summary}, unless it is under way now`, unfinishedChange.remedy),
  ];
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
