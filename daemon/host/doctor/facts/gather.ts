import { statSync } from 'node:fs';
import { access, constants, readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import type { DaemonStatus } from '../../../../shared/api/daemon.ts';
import type { Instance } from '../../../../shared/api/instances.ts';
import type { AdvisoryList } from '../../../../shared/api/pocketbase.ts';
import { createClient } from '../../../../shared/client/fathom-client.ts';
import { isDatabaseName } from '../../../../shared/database-name.ts';
import { FathomError, messageOf } from '../../../../shared/errors.ts';
import { inspectSettingsFiles, type SettingsInput } from '../../../../shared/settings-files.ts';
import { packageRoot, packageVersion } from '../../../base/package.ts';
import { type Config, loadConfig } from '../../../config/config.ts';
import { exposesSecrets, readSources, type Sources } from '../../../config/sources/sources.ts';
import type { VersionedInstance } from '../../../pocketbase/advisories/assess-releases.ts';
import { KNOWN_ADVISORIES } from '../../../pocketbase/advisories/known-advisories.ts';
import { Binaries } from '../../../pocketbase/binary/binaries.ts';
import type { Binary } from '../../../pocketbase/binary/binary.ts';
import { KeeperClient } from '../../../pocketbase/process/keeper/keeper-client.ts';
import { listeningSockets } from '../../../pocketbase/process/procfs.ts';
import { readProgram } from '../../../pocketbase/sandbox/file-view.ts';
import { plannedSandbox } from '../../../pocketbase/sandbox/level.ts';
import { readLitestream } from '../../../replication/litestream-binary.ts';
import { GLOBAL_NAME } from '../../../supervisor/global-instance.ts';
import { findDaemonProcess, isSuspended } from '../../daemon-process.ts';
import {
  describeInterruptedChange,
  INTERRUPTED_CHANGE_REMEDY,
  readInterruptedChange,
} from '../../install/release/interrupted-change.ts';
import { isRelease } from '../../install/release/layout.ts';
import { readUninstallMark, UNINSTALL_REMEDIES } from '../../install/uninstall-mark.ts';
import { readDisks } from './disks.ts';
import { gatherFleet } from './fleet-facts.ts';
import {
  type DaemonFacts,
  type DirectoryFacts,
  type HostFacts,
  hasDaemon,
  type PortFacts,
} from './host-facts.ts';
import { localPorts } from './local-ports.ts';
import { findTargetInMemory } from './memory-disks.ts';
import { findNetworkDisks } from './network-disks.ts';
import { findWeakSecrets } from './secrets-strength.ts';
import { masterKeyFacts, sessionKeyFacts, settingsKeyFacts } from './stored-keys.ts';

/** Checks that an executable is usable. The path is PB_BINARY_PATH, or null for the embedded PocketBase. */
export type VerifyBinary = (path: string | null) => Promise<Binary>;

/** In place of a fleet's executable that cannot be used. */
const UNUSABLE: Binary = { path: '', version: '', sha256: '', embedded: false, stamp: '' };

/** The settings of a daemon. As root, they are read before the change to the owner of the data. */
export interface HostSettings {
  sources: Sources;
  /** Null when the configuration is invalid. */
  config: Config | null;
  facts: HostFacts['config'];
}

export function readHostSettings(input: SettingsInput): HostSettings {
  return { sources: readSources(input, inspectSettingsFiles), ...readConfig(input) };
}

/** Reads the state of the host and changes nothing. */
export async function gatherFacts(
  { sources, config, facts: configFacts }: HostSettings,
  verifyBinary: VerifyBinary,
  advisories: AdvisoryList = KNOWN_ADVISORIES,
): Promise<HostFacts> {
  const { dataDir, socketPath } = sources;
  const userDatabasesDir = config?.userDatabasesDir ?? join(dataDir, 'user_dbs');
  const globalData = join(dataDir, 'global', 'pb_data', 'data.db');
  const { daemon, status } = await askDaemon(socketPath, dataDir);
  const directories = await findWrittenDirectories({ config, dataDir, userDatabasesDir, socketPath });
  const [binary, dataDirFacts, ports, disks, onNetwork, inotifyInstances, openFiles, databases, flock] =
    await Promise.all([
      readBinary(verifyBinary, config?.binaryPath ?? sources.get('PB_BINARY_PATH') ?? null),
      readDirectory(dataDir),
      config === null ? [] : readPorts(config, status, daemon),
      readDisks(directories),
      findNetworkDisks(await Promise.all([dataDir, userDatabasesDir].map(nearestExisting))),
      readNumber('/proc/sys/fs/inotify/max_user_instances'),
      readOpenFilesLimit(),
      countDatabases(userDatabasesDir),
      checkFlock(),
    ]);
  const fleet = await gatherFleet(
    {
      dataDir,
      userDatabasesDir,
      socketPath,
      applications: config?.applications ?? null,
      globalVersion: config?.globalVersion ?? null,
    },
    new Binaries({ fleet: binary.usable ? binary : UNUSABLE, dataDir }),
    createClient({ target: { socketPath }, timeoutMs: 5000 }),
    {
      daemonRuns: hasDaemon(daemon),
      answers: status !== null,
      onlyVerified: (status?.sign_ups ?? config?.signUps)?.mode === 'verified',
    },
  );
  return {
    nodeVersion: process.versions.node,
    config: withoutFileModes(configFacts, sources),
    envFiles: envFileFacts(sources),
    binary,
    litestream:
      config !== null && config.replica.target !== null
        ? await readLitestream(config.replica.binaryPath)
        : null,
    cluster: await readCluster(config),
    advisories: {
      list: advisories,
      instances: status && runningVersions(status, fleet?.instances ?? []),
      configured: binary.usable ? binary.version : null,
    },
    dataDir: dataDirFacts,
    ports,
    portRange: config?.ports ?? null,
    edge: config && {
      hasToken: config.edgeToken !== null,
      trustedProxies: config.trustedProxies,
      publicUrl: config.publicUrl,
    },
    localPorts: await localPorts(),
    disks,
    writesHeld: status?.usage?.writes_held === true,
    networkDisks: onNetwork,
    targetInMemory: config && (await findTargetInMemory(config.backups.target, dataDir, nearestExisting)),
    inotifyInstances,
    openFiles,
    memoryAvailableBytes: freemem(),
    resources: { memory_total_bytes: totalmem(), processors: availableParallelism() },
    databases,
    flock,
    ...(await keeperFacts(status, config, binary)),
    cgroup: status?.cgroup ?? null,
    daemon,
    fathomVersion: packageVersion(),
    interruptedChange: isRelease(packageRoot()) ? await readInterruption() : null,
    now: new Date(),
    weakSecrets: findWeakSecrets(sources.get),
    settingsKey: config && settingsKeyFacts(globalData, config, sources),
    masterKey: config && masterKeyFacts(globalData, config, sources),
    sessionKey: config && sessionKeyFacts(globalData, config, sources),
    fleet,
  };
}

async function readCluster(config: Config | null): Promise<HostFacts['cluster']> {
  if (!config?.cluster) return null;
  const { inspectCluster } = await import('../../../cluster/inspect.ts');
  return inspectCluster(config.cluster);
}

/** The version of each instance, also while their list cannot be read: then only that of the fleet is known. */
function runningVersions(
  { pocketbase_version: fleet }: DaemonStatus,
  instances: readonly Instance[],
): VersionedInstance[] {
  const versions = instances.map(({ name, pocketbase_version: version }) => ({ name, version }));
  return versions.length > 0 ? versions : [{ name: GLOBAL_NAME, version: fleet }];
}

async function readInterruption(): Promise<HostFacts['interruptedChange']> {
  const scope = await readUninstallMark();
  if (scope !== null) return { summary: 'an uninstall was interrupted', remedy: UNINSTALL_REMEDIES[scope] };
  const change = await readInterruptedChange();
  return change && { summary: describeInterruptedChange(change), remedy: INTERRUPTED_CHANGE_REMEDY };
}

function readConfig(input: SettingsInput): { config: Config | null; facts: HostFacts['config'] } {
  try {
    const { config, warnings } = loadConfig(input);
    return { config, facts: { valid: true, warnings } };
  } catch (error) {
    if (error instanceof FathomError && error.code === 'config.invalid') {
      return { config: null, facts: { valid: false, problems: error.fields, warnings: error.warnings } };
    }
    throw error;
  }
}

/** Also after a fix: the modes are the present ones. */
export function envFileFacts({ files }: Sources): HostFacts['envFiles'] {
  return files.map((file) => {
    const mode = (statSync(file.path, { throwIfNoEntry: false })?.mode ?? file.mode) & 0o777;
    return { path: file.path, mode, exposed: exposesSecrets({ ...file, mode }) };
  });
}

/** Removes warnings about env files, which have separate findings. */
function withoutFileModes(facts: HostFacts['config'], { files }: Sources): HostFacts['config'] {
  const exposed = files.filter(exposesSecrets);
  return {
    ...facts,
    warnings: facts.warnings.filter((text) => !exposed.some(({ path }) => text.startsWith(`${path} `))),
  };
}

async function readBinary(verifyBinary: VerifyBinary, path: string | null): Promise<HostFacts['binary']> {
  try {
    return { usable: true, ...(await verifyBinary(path)) };
  } catch (error) {
    return { usable: false, problem: messageOf(error) };
  }
}

async function askDaemon(
  socketPath: string,
  dataDir: string,
): Promise<{ daemon: DaemonFacts; status: DaemonStatus | null }> {
  try {
    await access(socketPath);
  } catch {
    return { daemon: { state: 'absent', socketPath }, status: null };
  }
  try {
    const status = await createClient({ target: { socketPath }, timeoutMs: 3000 }).daemon.status();
    const { version, pid } = status;
    const state = status.ready ? 'ready' : 'starting';
    return {
      daemon: {
        state,
        version,
        pid,
        startedAt: status.started_at,
        log: readLogLosses(status),
        signUps: readSignUps(status),
        mail: readMail(status),
        ...readLaterParts(status),
        proxies: readProxies(status),
      },
      status,
    };
  } catch (error) {
    const pid = findDaemonProcess(dataDir);
    const suspended = pid !== null && isSuspended(pid);
    return { daemon: { state: 'silent', problem: messageOf(error), pid, suspended }, status: null };
  }
}

/** The answer of the daemon, or that of this host while no daemon answers. */
async function keeperFacts(
  status: Partial<DaemonStatus> | null,
  config: Config | null,
  binary: HostFacts['binary'],
): Promise<Pick<HostFacts, 'sandbox' | 'sockets'>> {
  if (status !== null) return { sandbox: status.sandbox ?? null, sockets: status.sockets ?? null };
  if (config === null || !binary.usable) return { sandbox: null, sockets: null };
  const keeper = new KeeperClient();
  try {
    const support = await keeper.support();
    const { kind } = readProgram(binary.path);
    return {
      sandbox: plannedSandbox(config.sandbox, support, kind),
      sockets: { held: support.handoverProblem === null, reason: support.handoverProblem },
    };
  } catch (error) {
    return { sandbox: { problem: messageOf(error) }, sockets: null };
  } finally {
    keeper.close();
  }
}

/** Daemons of earlier releases do not report lost lines. */
function readLogLosses({ log = { dropped: 0, problem: null } }: Partial<DaemonStatus>): DaemonStatus['log'] {
  return log;
}

/** A daemon of an earlier release does not report sign-ups. */
function readSignUps({ sign_ups }: Partial<DaemonStatus>): DaemonStatus['sign_ups'] {
  return sign_ups ?? { mode: 'open', databases: 0, max_databases: null };
}

/** A daemon of an earlier release does not report its mail server. */
function readMail({ mail }: Partial<DaemonStatus>): DaemonStatus['mail'] {
  return mail ?? { configured: null, problem: null };
}

/** A daemon of an earlier release reports neither backups, deleted and archived databases nor alerts. */
function readLaterParts({ backups, trash, alerts, inactive }: Partial<DaemonStatus>) {
  return {
    backups: backups ?? null,
    trash: trash ?? null,
    alerts: alerts ?? null,
    inactive: inactive ?? null,
  };
}

/** A daemon of an earlier release does not report proxies. */
function readProxies({ proxies }: Partial<DaemonStatus>): DaemonStatus['proxies'] {
  return proxies ?? { trusted: 0, untrusted: null };
}

async function readDirectory(path: string): Promise<DirectoryFacts> {
  try {
    const found = await stat(path);
    const mode = found.mode & 0o777;
    if (!found.isDirectory()) return { path, state: 'not_a_directory', mode };
    return { path, state: (await canWrite(path)) ? 'writable' : 'not_writable', mode };
  } catch {
    return {
      path,
      state: (await canWrite(await nearestExisting(path))) ? 'absent' : 'cannot_be_created',
      mode: null,
    };
  }
}

async function canWrite(path: string): Promise<boolean> {
  return access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function nearestExisting(path: string): Promise<string> {
  const found = await access(path).then(
    () => true,
    () => false,
  );
  return found || dirname(path) === path ? path : nearestExisting(dirname(path));
}

async function readPorts(
  { server, bindAddress, globalPort }: Config,
  status: DaemonStatus | null,
  daemon: DaemonFacts,
): Promise<PortFacts[]> {
  // A running daemon reports its own ports.
  const ownPorts =
    status === null ? [] : [status.api_url, status.global_url].map((url) => Number(URL.parse(url)?.port));
  if (daemon.state === 'silent' && daemon.pid !== null)
    ownPorts.push(...listeningSockets(daemon.pid).map(({ port }) => port));
  const wanted = [
    { variable: 'SERVER_PORT' as const, host: server.host, port: server.port },
    { variable: 'PB_GLOBAL_PORT' as const, host: bindAddress, port: globalPort },
  ];
  return Promise.all(
    wanted.map(async (one): Promise<PortFacts> => {
      const state = await probePort(one.host, one.port);
      return { ...one, state: state === 'taken' && ownPorts.includes(one.port) ? 'ours' : state };
    }),
  );
}

async function probePort(host: string, port: number): Promise<PortFacts['state']> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES') resolve('forbidden');
      else resolve(error.code === 'EADDRINUSE' ? 'taken' : 'no_such_address');
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve('free')));
  });
}

/** The directories that Fathom writes to. For a missing one, its nearest existing parent. */
async function findWrittenDirectories({
  config,
  dataDir,
  userDatabasesDir,
  socketPath,
}: {
  config: Config | null;
  dataDir: string;
  userDatabasesDir: string;
  socketPath: string;
}): Promise<{ setting: string; path: string }[]> {
  const logDir = config?.log.dir ?? null;
  const directories = [
    { setting: 'FATHOM_DATA_DIR', path: dataDir },
    { setting: 'PB_USER_DBS_PATH', path: userDatabasesDir },
    ...(logDir === null ? [] : [{ setting: 'LOG_DIR', path: logDir }]),
    { setting: 'FATHOM_SOCKET', path: dirname(socketPath) },
  ];
  return Promise.all(
    directories.map(async ({ setting, path }) => ({ setting, path: await nearestExisting(path) })),
  );
}

async function readNumber(path: string): Promise<number | null> {
  try {
    const number = Number.parseInt(await readFile(path, 'utf8'), 10);
    return Number.isNaN(number) ? null : number;
  } catch {
    return null;
  }
}

async function readOpenFilesLimit(): Promise<number | null> {
  try {
    const limits = await readFile('/proc/self/limits', 'utf8');
    const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
    if (hard === undefined) return null;
    return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
  } catch {
    return null;
  }
}

async function countDatabases(path: string): Promise<number> {
  try {
    return (await readdir(path)).filter(isDatabaseName).length;
  } catch {
    return 0;
  }
}

async function checkFlock(): Promise<HostFacts['flock']> {
  const result = await execa('flock', ['--help'], {
    reject: false,
    all: true,
    stdin: 'ignore',
    timeout: 5000,
  });
  if (result.code === 'ENOENT' || result.code === 'EACCES') return 'missing';
  return result.all.includes('--no-fork') ? 'ok' : 'no_fork_unknown';
}
