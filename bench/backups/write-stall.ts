import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { bareBoot } from '../bare-pocketbase.ts';
import { median, ms, quantile, report } from '../measure.ts';
import { FathomBackups } from './fathom-backups.ts';
import { databaseNames, FleetData } from './fleet-data.ts';

/** One database, of a usual size also in the full run. */
const MEGABYTES = Math.min(1024, Number(process.env['BENCH_BACKUP_MB'] ?? 200));
const MIB = 1024 * 1024;
const ROUNDS = 5;
const WRITES = 400;
const EVERY_MS = 5;

/** How long a client of PocketBase waits for a write while its database is backed up for the first time, again and again. */
export async function benchWriteStall(): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  try {
    const data = await FleetData.create(join(scratch, 'data'), databaseNames(1), MEGABYTES * MIB);
    const port = await freePortRange(1);
    const dataDir = data.databases[0]?.dataDir ?? '';
    const server = await bareBoot(port, [`--dir=${dataDir}`, '--automigrate=false']);
    try {
      const quiet: number[] = [];
      const meanwhile: number[] = [];
      const ratios: number[] = [];
      let backups = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const without = await measureWrites(port);
        const end = new AbortController();
        const backingUp = backUpUntil(data, join(scratch, 'backups'), end.signal);
        const during = await measureWrites(port);
        end.abort();
        backups += await backingUp;
        ratios.push(quantile(during, 0.99) / quantile(without, 0.99));
        quiet.push(...without);
        meanwhile.push(...during);
      }
      return report({
        name: 'backups, writes meanwhile',
        compares: `p99 of a write to PocketBase during backups of its database with ${MEGABYTES} MiB / without`,
        value: median(ratios),
        bar: 1.5,
        unit: '',
        details: `median of ${ROUNDS} rounds with ${WRITES} writes and ${backups} backups; p99 ${ms(quantile(meanwhile, 0.99))} against ${ms(quantile(quiet, 0.99))}, longest ${ms(Math.max(...meanwhile))} against ${ms(Math.max(...quiet))}`,
      });
    } finally {
      await server.stop();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Returns how many it has made. */
async function backUpUntil(data: FleetData, directory: string, signal: AbortSignal): Promise<number> {
  let made = 0;
  while (!signal.aborted) {
    const fathom = new FathomBackups(directory, 1);
    await fathom.init();
    await fathom.backUp(data);
    await rm(directory, { recursive: true });
    made += 1;
  }
  return made;
}

/** Milliseconds of each. */
async function measureWrites(port: number): Promise<number[]> {
  const url = `http://127.0.0.1:${port}/api/collections/documents/records`;
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ title: 'written', body: 'x'.repeat(1_000) });
  const took: number[] = [];
  while (took.length < WRITES) {
    const started = performance.now();
    const response = await fetch(url, { method: 'POST', headers, body });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`a write was answered with ${response.status}`);
    took.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  return took;
}
