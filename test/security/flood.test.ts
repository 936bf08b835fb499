import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import type { Targets } from '../fixtures/strangers.ts';
import { type FloodReport, measureEvery, percentile } from '../helpers/flood.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, signUp } from '../helpers/http-call.ts';

/** `FLOOD_SECONDS=600` is the complete test. */
const DURATION_MS = Number(process.env['FLOOD_SECONDS'] ?? 10) * 1000;
const MIB = 1024 * 1024;
/** The logs of PocketBase reach their size within the first minute. */
const MAX_GROWTH_BYTES = 64 * MIB;
/** Accounts that strangers get with valid sign-ups, each with a database. */
const SIGN_UPS = 10;
const NEW_DATABASE_BYTES = 3 * MIB;
/** The disk limit of every database, and by how much a flood of uploads can pass it: see docs/plans.md. */
const DISK_LIMIT_MB = 50;
const MAX_OVERSHOOT_BYTES = 80 * MIB;
const MAX_HEALTH_P99_MS = 100;
function bytesIn(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    // A file can disappear in between.
    if (entry.isFile())
      bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

async function sendFlood(targets: Targets): Promise<FloodReport> {
  const program = join(import.meta.dirname, '..', 'fixtures', 'strangers.ts');
  const { stdout } = await execa(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    program,
    JSON.stringify(targets),
  ]);
  return JSON.parse(stdout) as FloodReport;
}

it(
  'strangers and one hostile user neither fill the disk nor keep an honest user from signing in',
  async () => {
    const fathom = await deployment({
      SIGN_UPS_PER_HOUR: String(SIGN_UPS + 2),
      DATABASE_DISK_MB: String(DISK_LIMIT_MB),
      // The honest user and the daemon's client are on the same host as the strangers.
      CONNECTIONS_PER_ADDRESS: '256',
    });
    await fathom.start();
    const { database } = await signUp(fathom.url, 'ann@example.com');
    const mal = await signUp(fathom.url, 'mal@example.com');
    const ofMal = () => bytesIn(join(fathom.dataDir, 'user_dbs', mal.database.name));
    // From its usual address, the honest user has counts of its own.
    const signIn = async () => {
      const body = { email: 'ann@example.com', password: PASSWORD };
      return (await call('POST', `${fathom.url}/api/v1/auth/login`, { body })).status;
    };
    expect(await signIn()).toBe(200);
    const before = bytesIn(fathom.dataDir) - ofMal();

    const over = AbortSignal.timeout(DURATION_MS);
    const statuses: number[] = [];
    const targets: Targets = {
      api: fathom.url,
      global: fathom.globalUrl,
      database: database.url,
      user: mal,
      durationMs: DURATION_MS,
    };
    const [report, health] = await Promise.all([
      sendFlood(targets),
      measureEvery(200, over, async () => {
        expect((await call('GET', `${fathom.url}/health`)).status).toBe(200);
      }),
      measureEvery(1000, over, async () => {
        statuses.push(await signIn());
      }),
    ]);
    const growth = bytesIn(fathom.dataDir) - ofMal() - before;
    const p99 = percentile(health, 0.99);
    console.info(
      `${DURATION_MS / 1000} s, ${JSON.stringify(report.sent)}; growth ${growth} bytes, of the user ${ofMal()}; /health p99 ${p99.toFixed(1)} ms; ${statuses.length} sign-ins`,
    );
    expect(Object.keys(report.sent)).toHaveLength(36);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(growth).toBeLessThan(MAX_GROWTH_BYTES + SIGN_UPS * NEW_DATABASE_BYTES);
    expect(ofMal()).toBeLessThan(DISK_LIMIT_MB * MIB + MAX_OVERSHOOT_BYTES);
    // Clients and servers share the processors of a small host, so a short run only reports the time.
    if (process.env['FLOOD_SECONDS'] !== undefined) expect(p99).toBeLessThan(MAX_HEALTH_P99_MS);
  },
  DURATION_MS + 120_000,
);
