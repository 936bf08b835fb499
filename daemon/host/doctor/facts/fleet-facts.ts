import { readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Instance } from '../../../../shared/api/instances.ts';
import type { FathomClient } from '../../../../shared/client/fathom-client.ts';
import { isDatabaseName } from '../../../../shared/database-name.ts';
import { messageOf } from '../../../../shared/errors.ts';
import { readPid } from '../../../base/files/pid-file.ts';
import type { ApplicationSettings } from '../../../databases/applications/sources.ts';
import { readPins } from '../../../databases/pins.ts';
import type { Binaries } from '../../../pocketbase/binary/binaries.ts';
import { ExecutableHashes } from '../../../pocketbase/binary/executable-hash.ts';
import { isArchived } from '../../../pocketbase/data/archived-file.ts';
import { findDamage } from '../../../pocketbase/data/data-state.ts';
import { RESCUED_PREFIX } from '../../../pocketbase/data/rescue.ts';
import { withDatabase } from '../../../pocketbase/data/sqlite.ts';
import {
  FLEET_VARIABLE,
  flagValue,
  fleetIdOf,
  INSTANCE_VARIABLE,
} from '../../../pocketbase/process/command.ts';
import { findByEnvironment, isAlive, processStat } from '../../../pocketbase/process/procfs.ts';
import { dataDirOf } from '../../../supervisor/instance-spec.ts';
import { type ControlPlaneRows, readRows } from './control-plane-rows.ts';
import { readVersions, type VersionFacts } from './pinned-versions.ts';
import { findOpenAccounts, type MigrationFacts, readMigrations } from './user-databases.ts';

/** The state of a data directory and its processes. */
export interface FleetFacts {
  /** Directories that other users can read. */
  exposed: { path: string; mode: number }[];
  /** Directories with another owner than the data directory. */
  wrongOwner: { path: string; uid: number }[];
  /** The directory with the latest change. */
  newest: { path: string; at: Date } | null;
  /** A socket that no process listens on. */
  staleSocket: string | null;
  /** A pid file whose process has ended. */
  stalePidFile: string | null;
  /** Directories that were not completely created or deleted. */
  leftovers: string[];
  /** Copies of files that were deleted while their instance ran. */
  rescued: string[];
  /** `address` is from the command line. `sha256` is of the executable; null when this user cannot read it. */
  processes: { pid: number; instance: string; sha256: string | null; address: string | null }[];
  /** Versions that instances are pinned to. */
  versions: VersionFacts[];
  /** User databases on disk. */
  directories: string[];
  /** Of the control plane. `problem`: why they cannot be read. Null before the first start. */
  rows: ControlPlaneRows | { problem: string } | null;
  damaged: { name: string; problem: string }[];
  /** Databases with a directory and without `data.db`, unless they are archived. */
  withoutData: string[];
  /** Databases to which others than the owner have access, and why. */
  openAccounts: { name: string; problems: string[] }[];
  /** Null while the settings cannot be read. */
  migrations: MigrationFacts | null;
  /** Reported by the daemon; null when it does not run. */
  instances: Instance[] | null;
}

/** Larger databases are not checked: a check reads about 100 MB per second. */
const CHECK_UP_TO_BYTES = 256 * 1024 * 1024;
const LEFTOVER = /^\.(?:staging|deleted|building)-/;

export async function gatherFleet(
  paths: {
    dataDir: string;
    userDatabasesDir: string;
    socketPath: string;
    applications: ApplicationSettings | null;
    /** PB_GLOBAL_VERSION. */
    globalVersion: string | null;
  },
  binaries: Pick<Binaries, 'of' | 'problemOf'>,
  client: FathomClient,
  { daemonRuns, answers, onlyVerified }: { daemonRuns: boolean; answers: boolean; onlyVerified: boolean },
): Promise<FleetFacts | null> {
  const { dataDir, userDatabasesDir, socketPath, applications, globalVersion } = paths;
  const owner = await stat(dataDir).catch(() => null);
  if (!owner?.isDirectory()) return null;
  const userEntries = await listNames(userDatabasesDir);
  const templates = join(dataDir, 'templates');
  const directories = userEntries.filter(isDatabaseName);
  const checkedPaths = [
    ...['global', 'run', 'logs', 'templates'].map((name) => join(dataDir, name)),
    userDatabasesDir,
    ...directories.map((name) => join(userDatabasesDir, name)),
  ];
  const existing = (
    await Promise.all(checkedPaths.map(async (path) => ({ path, facts: await stat(path).catch(() => null) })))
  ).flatMap(({ path, facts }) => (facts ? [{ path, facts }] : []));
  const globalData = join(dataDir, 'global', 'pb_data', 'data.db');
  const hashes = new ExecutableHashes();
  return {
    // The directory of the socket can be open for a group (FATHOM_SOCKET_GROUP).
    exposed: existing
      .map(({ path, facts }) => ({ path, mode: facts.mode & 0o777 }))
      .filter(({ path, mode }) => (mode & 0o077) !== 0 && path !== join(dataDir, 'run')),
    wrongOwner: existing
      .filter(({ facts }) => facts.uid !== owner.uid)
      .map(({ path, facts }) => ({ path, uid: facts.uid })),
    newest: existing
      .map(({ path, facts }) => ({ path, at: facts.mtime }))
      .reduce<{ path: string; at: Date } | null>((a, b) => (a && a.at >= b.at ? a : b), null),
    staleSocket: !daemonRuns && (await isStale(socketPath)) ? socketPath : null,
    stalePidFile: daemonRuns ? null : findStalePidFile(join(dataDir, 'run', 'fathomd.pid')),
    // A running daemon may be using them.
    leftovers: daemonRuns
      ? []
      : [
          ...userEntries.filter((name) => LEFTOVER.test(name)).map((name) => join(userDatabasesDir, name)),
          ...(await listNames(templates))
            .filter((name) => LEFTOVER.test(name))
            .map((name) => join(templates, name)),
        ],
    rescued: [
      ...userEntries
        .filter((name) => name.startsWith(RESCUED_PREFIX))
        .map((name) => join(userDatabasesDir, name)),
      ...(await listNames(dataDir))
        .filter((name) => name.startsWith(RESCUED_PREFIX))
        .map((name) => join(dataDir, name)),
    ],
    processes: await Promise.all(
      (await findByEnvironment(FLEET_VARIABLE, await fleetIdOf(dataDir))).map(
        async ({ pid, environment, argv }) => ({
          pid,
          instance: environment.get(INSTANCE_VARIABLE) ?? '',
          sha256: await hashes.of(pid),
          address: flagValue(argv, 'http'),
        }),
      ),
    ),
    versions: await readVersions(
      [
        ...(globalVersion === null ? [] : [{ name: 'global', version: globalVersion }]),
        ...readPins(globalData),
      ],
      binaries,
    ),
    directories,
    rows: (await stat(globalData).catch(() => null)) === null ? null : readRows(globalData, { onlyVerified }),
    damaged: await findDamaged([
      { name: 'global', file: globalData },
      ...directories.map((name) => ({ name, file: join(userDatabasesDir, name, 'pb_data', 'data.db') })),
    ]),
    withoutData: await namesWithoutData(
      directories.map((name) => ({ name, file: join(userDatabasesDir, name, 'pb_data', 'data.db') })),
    ),
    openAccounts: findOpenAccounts(globalData, userDatabasesDir, directories),
    migrations:
      applications &&
      (await readMigrations(
        applications,
        directories.map((name) => ({ name, dataDir: dataDirOf(join(userDatabasesDir, name)) })),
        globalData,
        answers ? client : null,
      )),
    instances: answers ? await client.databases.all().catch(() => null) : null,
  };
}

async function listNames(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

/** Whether the socket exists and refuses connections. */
function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

function findStalePidFile(path: string): string | null {
  const pid = readPid(path);
  if (pid === null) return null;
  const process = processStat(pid);
  return process && isAlive(pid, process.startTime) ? null : path;
}

async function findDamaged(databases: { name: string; file: string }[]): Promise<FleetFacts['damaged']> {
  const damaged: FleetFacts['damaged'] = [];
  for (const { name, file } of databases) {
    const size = (await stat(file).catch(() => null))?.size ?? null;
    if (size === null) continue;
    const head = findDamage(dirname(file), '');
    if (head !== null) {
      damaged.push({ name, problem: head.message.split(';')[0] ?? '' });
      continue;
    }
    if (size > CHECK_UP_TO_BYTES) continue;
    try {
      const [answer] = readDatabase(file, (database) => database.prepare('PRAGMA quick_check(1)').all());
      const verdict = String(answer?.['quick_check'] ?? '');
      if (verdict !== 'ok') damaged.push({ name, problem: verdict });
    } catch (error) {
      if (/malformed|not a database/.test(messageOf(error)))
        damaged.push({ name, problem: messageOf(error) });
    }
  }
  return damaged;
}

/** A file that this user cannot look at is not missing, and neither is one in a backup. */
async function isMissing(file: string): Promise<boolean> {
  if (isArchived(dirname(file))) return false;
  return stat(file).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT' || error.code === 'ENOTDIR',
  );
}

async function namesWithoutData(databases: { name: string; file: string }[]): Promise<string[]> {
  const missing = await Promise.all(databases.map(({ file }) => isMissing(file)));
  return databases.filter((_, index) => missing[index]).map(({ name }) => name);
}

/** Read-only, because PocketBase may write at the same time. */
function readDatabase<T>(file: string, work: (database: DatabaseSync) => T): T {
  return withDatabase(file, { readOnly: true, isTrusted: true, timeoutMs: 2_000 }, work);
}
