import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { secretBelongsTo } from '../../daemon/databases/user-instance.ts';
import { keyId } from '../../daemon/keys/derived-keys.ts';
import { type MasterKey, seal } from '../../daemon/keys/envelope.ts';
import { newSuperuserSecret } from '../../daemon/keys/instance-access.ts';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Deployment } from '../../test/helpers/deployment.ts';
import { FleetUsers } from '../fleet-user.ts';

const DAY = '2026-01-15';
/** Not lately: the daemon reads new rows several times. */
const CREATED = `${DAY} 12:00:00.000Z`;
/** Below the ports that Linux takes for outgoing connections. */
const BASE_PORT = 10_000;
/** Of a deployment with these databases. Those of the daemon and of the global PocketBase are below the range. */
export const PORTS = {
  SERVER_PORT: String(BASE_PORT - 2),
  PB_GLOBAL_PORT: String(BASE_PORT - 1),
  PB_BASE_PORT: String(BASE_PORT),
  PB_PORT_RANGE: '20000',
};
/** Ports of databases that are created before. */
const OTHERS = 10;

/** The ports of added databases. */
export function portsOf(count: number, basePort = BASE_PORT): number[] {
  return Array.from({ length: count }, (_, index) => basePort + OTHERS + index);
}

/**
 * Adds rows of stopped databases to the control plane of a deployment that does not run. They have no directories.
 *
 * @returns their names
 */
export function addStoppedDatabases(fathom: Deployment, count: number): string[] {
  return addRows(fathom, count, 'stopped');
}

/**
 * Adds databases that sleep when SLEEP_AFTER is set, to a deployment that does not run. All have the files of one database,
 * as hard links: a measurement does not wake them.
 */
export async function addSleepingDatabases(fathom: Deployment, count: number): Promise<void> {
  const daemon = await fathom.start({ PB_PORT_RANGE: String(OTHERS) });
  const users = new FleetUsers(fathom);
  const { name } = await users.provision(await users.create());
  await daemon.stop();
  const directory = (database: string) => join(fathom.dataDir, 'user_dbs', database, 'pb_data');
  for (const added of addRows(fathom, count, 'running')) {
    mkdirSync(directory(added), { recursive: true, mode: 0o700 });
    for (const file of ['data.db', 'auxiliary.db'])
      linkSync(join(directory(name), file), join(directory(added), file));
  }
}

/** Returns the names. */
function addRows(fathom: Deployment, count: number, desired: 'running' | 'stopped'): string[] {
  const key = Buffer.from(fathom.env['AES_MASTER_KEY'] ?? '', 'base64');
  const master = { id: keyId(key), key };
  const file = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  return withDatabase(file, { readOnly: false }, (database) => {
    database.exec('BEGIN IMMEDIATE');
    const basePort = Number(fathom.env['PB_BASE_PORT']);
    const names = portsOf(count, basePort).map((port, index) =>
      addDatabase(database, { number: index + 1, port, desired, master }),
    );
    database.exec('COMMIT');
    return names;
  });
}

function addDatabase(
  database: DatabaseSync,
  { number, port, desired, master }: { number: number; port: number; desired: string; master: MasterKey },
): string {
  const user = randomId();
  const email = `sleeper${number}@example.com`;
  const name = `${DAY}-${String(number).padStart(3, '0')}-sleeper${number}`;
  insert(database, 'users', {
    id: user,
    email,
    email_key: email,
    emailVisibility: 0,
    verified: 1,
    password: `$2a$10$${'x'.repeat(53)}`,
    tokenKey: randomBytes(25).toString('hex'),
    name: '',
    role: 'user',
    is_active: 1,
    created: CREATED,
    updated: CREATED,
  });
  insert(database, 'user_databases', {
    id: randomId(),
    name,
    user,
    day: DAY,
    number,
    state: 'ready',
    desired,
    port,
    superuser_secret: seal(master, newSuperuserSecret(), secretBelongsTo(user)),
    created: CREATED,
    updated: CREATED,
  });
  return name;
}

function insert(database: DatabaseSync, table: string, row: Readonly<Record<string, string | number>>): void {
  const columns = Object.keys(row);
  database
    .prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`)
    .run(...Object.values(row));
}

/** As PocketBase's ids. */
function randomId(): string {
  return randomBytes(8).toString('hex').slice(0, 15);
}
