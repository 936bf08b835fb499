import { readdir, readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Instance } from '../../../../shared/api/instances.ts';
import type { FathomClient } from '../../../../shared/client/fathom-client.ts';
import { isDatabaseName } from '../../../../shared/database-name.ts';
import { messageOf } from '../../../../shared/errors.ts';
import type { ApplicationSettings } from '../../../databases/migrations/migration-set.ts';
import { ExecutableHashes } from '../../../pocketbase/binary/executable-hash.ts';
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
import { findOpenAccounts, gatherMigrations, type MigrationFacts } from './user-databases.ts';

/** What was seen of a data directory and the processes that belong to it. */
export interface FleetFacts {
  /** Directories that others may look into. */
  open: { path: string; mode: number }[];
  /** Files whose owner is not the owner of the data directory. */
  foreign: { path: string; uid: number }[];
  /** The latest time at which something in it was changed. */
  newest: { path: string; at: Date } | null;
  /** A socket on which no process listens. */
  staleSocket: string | null;
  /** Names a process that is gone. */
  stalePidFile: string | null;
  /** Half made or half deleted. */
  leftovers: string[];
  /** What was saved from under an instance. */
  rescued: string[];
  /**
   * `address` is the one of the command line. `sha256` is that of the executable; null when this user may not read it.
   */
  processes: { pid: number; instance: string; sha256: string | null; address: string | null }[];
  /** User databases on disk. */
  directories: string[];
  /** Rows of the control plane, and accounts whose addresses differ in their writing alone, the older one first; why they cannot be read; or null before the first start. */
  rows: { names: string[]; sameAddress: [string, string][] } | { problem: string } | null;
  damaged: { name: string; problem: string }[];
  /** Databases to which others than the owner have access, and why. */
  openAccounts: { name: string; problems: string[] }[];
  /** Null while the settings cannot be read. */
  migrations: MigrationFacts | null;
  /** As the daemon tells; null when it does not run. */
  instances: Instance[] | null;
}

/** Larger databases are left out: reading one through takes about a second for each 100 MB. */
const CHECK_UP_TO_BYTES = 256 * 1024 * 1024;
const LEFTOVER = /^\.(?:staging|deleted|building)-/;

export async function gatherFleet(
  paths: {
    dataDir: string;
    userDatabasesDir: string;
    socketPath: string;
    applications: ApplicationSettings | null;
  },
  client: FathomClient,
  daemonRuns: boolean,
): Promise<FleetFacts | null> {
  const { dataDir, userDatabasesDir, socketPath, applications } = paths;
  const owner = await stat(dataDir).catch(() => null);
  if (!owner?.isDirectory()) return null;
  const users = await names(userDatabasesDir);
  const templates = join(dataDir, 'templates');
  const directories = users.filter(isDatabaseName);
  const own = [
    ...['global', 'run', 'logs', 'templates'].map((name) => join(dataDir, name)),
    userDatabasesDir,
    ...directories.map((name) => join(userDatabasesDir, name)),
  ];
  const seen = (
    await Promise.all(own.map(async (path) => ({ path, facts: await stat(path).catch(() => null) })))
  ).flatMap(({ path, facts }) => (facts ? [{ path, facts }] : []));
  const globalData = join(dataDir, 'global', 'pb_data', 'data.db');
  const hashes = new ExecutableHashes();
  return {
    // The socket's directory may be meant for a group; that is for its own mode to say.
    open: seen
      .map(({ path, facts }) => ({ path, mode: facts.mode & 0o777 }))
      .filter(({ path, mode }) => (mode & 0o077) !== 0 && path !== join(dataDir, 'run')),
    foreign: seen
      .filter(({ facts }) => facts.uid !== owner.uid)
      .map(({ path, facts }) => ({ path, uid: facts.uid })),
    newest: seen
      .map(({ path, facts }) => ({ path, at: facts.mtime }))
      .reduce<{ path: string; at: Date } | null>((a, b) => (a && a.at >= b.at ? a : b), null),
    staleSocket: !daemonRuns && (await isStale(socketPath)) ? socketPath : null,
    stalePidFile: daemonRuns ? null : await stalePidFile(join(dataDir, 'run', 'fathomd.pid')),
    // Of a daemon that runs, they are its work.
    leftovers: daemonRuns
      ? []
      : [
          ...users.filter((name) => LEFTOVER.test(name)).map((name) => join(userDatabasesDir, name)),
          ...(await names(templates))
            .filter((name) => LEFTOVER.test(name))
            .map((name) => join(templates, name)),
        ],
    rescued: [
      ...users.filter((name) => name.startsWith(RESCUED_PREFIX)).map((name) => join(userDatabasesDir, name)),
      ...(await names(dataDir))
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
    directories,
    rows: readRows(globalData, (await stat(globalData).catch(() => null)) !== null),
    damaged: await findDamaged([
      { name: 'global', file: globalData },
      ...directories.map((name) => ({ name, file: join(userDatabasesDir, name, 'pb_data', 'data.db') })),
    ]),
    openAccounts: findOpenAccounts(globalData, userDatabasesDir, directories),
    migrations:
      applications &&
      (await gatherMigrations(
        applications,
        directories.map((name) => ({ name, dataDir: dataDirOf(join(userDatabasesDir, name)) })),
        daemonRuns ? client : null,
      )),
    instances: daemonRuns ? await client.databases.all().catch(() => null) : null,
  };
}

async function names(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

/** A socket that is there, and refuses. */
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

async function stalePidFile(path: string): Promise<string | null> {
  const pid = Number(await readFile(path, 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 0) return null;
  const process = processStat(pid);
  return process && isAlive(pid, process.startTime) ? null : path;
}

function readRows(file: string, isThere: boolean): FleetFacts['rows'] {
  if (!isThere) return null;
  try {
    return reading(file, (database) => ({
      names: database
        .prepare('SELECT name FROM user_databases')
        .all()
        .map((row) => String(row['name'])),
      sameAddress: sameAddress(database),
    }));
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

/** None before the migration that gives addresses their keys. */
function sameAddress(database: DatabaseSync): [string, string][] {
  const hasKeys = database.prepare("SELECT 1 FROM pragma_table_info('users') WHERE name = 'email_key'").get();
  if (!hasKeys) return [];
  return database
    .prepare(
      `SELECT a.email || ' (' || a.id || ')' AS first, b.email || ' (' || b.id || ')' AS second
       FROM users b JOIN users a ON b.email_key = a.email_key || '/' || b.id ORDER BY b.created`,
    )
    .all()
    .map((row) => [String(row['first']), String(row['second'])]);
}

async function findDamaged(databases: { name: string; file: string }[]): Promise<FleetFacts['damaged']> {
  const damaged: FleetFacts['damaged'] = [];
  for (const { name, file } of databases) {
    const size = (await stat(file).catch(() => null))?.size ?? null;
    if (size === null || size > CHECK_UP_TO_BYTES) continue;
    try {
      const [answer] = reading(file, (database) => database.prepare('PRAGMA quick_check(1)').all());
      const verdict = String(answer?.['quick_check'] ?? '');
      if (verdict !== 'ok') damaged.push({ name, problem: verdict });
    } catch (error) {
      if (/malformed|not a database/.test(messageOf(error)))
        damaged.push({ name, problem: messageOf(error) });
    }
  }
  return damaged;
}

/** Beside PocketBase, which may write meanwhile. */
function reading<T>(file: string, work: (database: DatabaseSync) => T): T {
  return withDatabase(file, { readOnly: true, timeoutMs: 2_000 }, work);
}
