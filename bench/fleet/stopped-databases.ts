import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { secretBelongsTo } from '../../daemon/databases/user-instance.ts';
import { keyId } from '../../daemon/keys/derived-keys.ts';
import { type MasterKey, seal } from '../../daemon/keys/envelope.ts';
import { newSuperuserSecret } from '../../daemon/keys/instance-access.ts';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Deployment } from '../../test/helpers/deployment.ts';

const DAY = '2026-01-15';
const FIRST_PORT = 30_000;
/** Of a deployment with these databases. */
export const PORTS = { PB_BASE_PORT: String(FIRST_PORT), PB_PORT_RANGE: '20000' };

/**
 * Adds rows of stopped databases to the control plane of a deployment that does not run. Databases that sleep cost the same,
 * and creating thousands of directories would take longer than the measurement.
 */
export function addStoppedDatabases(fathom: Deployment, count: number): void {
  const key = Buffer.from(fathom.env['AES_MASTER_KEY'] ?? '', 'base64');
  const master = { id: keyId(key), key };
  const file = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  withDatabase(file, { readOnly: false }, (database) => {
    database.exec('BEGIN IMMEDIATE');
    for (let number = 1; number <= count; number += 1) addDatabase(database, number, master);
    database.exec('COMMIT');
  });
}

function addDatabase(database: DatabaseSync, number: number, master: MasterKey): void {
  const user = randomId();
  const email = `sleeper${number}@example.com`;
  const now = new Date().toISOString().replace('T', ' ');
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
    created: now,
    updated: now,
  });
  insert(database, 'user_databases', {
    id: randomId(),
    name: `${DAY}-${String(number).padStart(3, '0')}-sleeper${number}`,
    user,
    day: DAY,
    number,
    state: 'ready',
    desired: 'stopped',
    port: FIRST_PORT + number,
    superuser_secret: seal(master, newSuperuserSecret(), secretBelongsTo(user)),
    created: now,
    updated: now,
  });
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
