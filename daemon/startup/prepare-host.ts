import { dirname, join } from 'node:path';
import { exemptFromProxy } from '../../shared/proxy-exemptions.ts';
import { type DataDirLock, lockDataDir } from '../base/files/data-dir-lock.ts';
import { makePrivateDir } from '../base/files/dir.ts';
import { createLog, type Logger, logOutput } from '../base/log/log.ts';
import type { Losses } from '../base/log/log-sink.ts';
import { RecentLog } from '../base/log/recent-log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config } from '../config/config.ts';
import { requireUnnamedPorts } from '../databases/named-ports.ts';
import { Binaries } from '../pocketbase/binary/binaries.ts';
import { type Binary, verifyBinary } from '../pocketbase/binary/binary.ts';
import { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import { fleetIdOf } from '../pocketbase/process/command.ts';
import { ChildProcessDriver } from '../pocketbase/process/process-driver.ts';
import { globalDirOf } from '../supervisor/global-instance.ts';
import { prepareLogs } from '../supervisor/log-maintenance.ts';

/** Resources of the host: directories, the lock on the data directory, PocketBase's executable and the daemon's log. */
export interface Host {
  lock: DataDirLock;
  binaries: Binaries;
  /** Of the global PocketBase. */
  globalBinary: Binary;
  log: Logger;
  recentLog: RecentLog;
  /** Returns the lines of the daemon's log that could not be written. */
  logLosses: () => Losses;
  /** The daemon's log file; null when it logs to standard output. */
  ownLog: InstanceLog | null;
  logsDir: string;
  instanceLogsDir: string;
}

/** @throws FathomError `config.invalid`, `data_dir.locked`, `data_dir.unusable`, `pocketbase.missing`, `pocketbase.unusable` */
export async function prepareHost(
  config: Config,
  { clock, resources }: { clock: Clock; resources: AsyncDisposableStack },
): Promise<Host> {
  // Files of this process and its children are private; only the local socket is opened to a group.
  process.umask(0o077);
  exemptFromProxy([config.server.host, config.bindAddress]);
  const logsDir = config.log.dir ?? join(config.dataDir, 'logs');
  for (const directory of [
    config.dataDir,
    config.userDatabasesDir,
    join(config.dataDir, 'run'),
    dirname(config.socketPath),
    globalDirOf(config.dataDir),
  ]) {
    await makePrivateDir(directory);
  }
  const lock = lockDataDir(config.dataDir);
  resources.defer(() => lock.release());
  // The current directory may be removed, for example by the next deployment. Then no process could be started.
  process.chdir(config.dataDir);
  requireUnnamedPorts(join(globalDirOf(config.dataDir), 'pb_data', 'data.db'), {
    SERVER_PORT: config.server.port,
    PB_GLOBAL_PORT: config.globalPort,
  });
  const fleet = await verifyBinary(config.binaryPath);
  const binaries = new Binaries({ fleet, dataDir: config.dataDir });
  const globalBinary = config.globalVersion === null ? fleet : await binaries.require(config.globalVersion);
  const ownLog = config.log.dir
    ? new InstanceLog(join(config.log.dir, 'fathomd.log'), clock, config.log)
    : null;
  const output = logOutput({ file: ownLog?.path ?? null });
  const recentLog = new RecentLog();
  const log = createLog({ level: config.log.level, output, recent: recentLog });
  const instanceLogsDir = join(logsDir, 'instances');
  await prepareLogs(instanceLogsDir, ownLog, log);
  return {
    lock,
    binaries,
    globalBinary,
    log,
    recentLog,
    logLosses: () => output.losses(),
    ownLog,
    logsDir,
    instanceLogsDir,
  };
}

/** Creates what starts processes of this host. */
export async function createDriver(
  config: Config,
  { logsDir }: Pick<Host, 'logsDir'>,
  clock: Clock,
): Promise<ChildProcessDriver> {
  return new ChildProcessDriver({
    fleetId: await fleetIdOf(config.dataDir),
    clock,
    sandboxes: {
      setting: config.sandbox,
      fleetDirectories: [config.dataDir, config.userDatabasesDir],
    },
    go: config.go,
    needsLease: config.cluster?.isFenced ?? false,
    // Relative to the data directory, which is the current one: the path of a socket has at most 107 bytes.
    keeper: { socketPath: join('run', 'keeper.sock'), logFile: join(logsDir, 'keeper.log') },
  });
}
