import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { median, report } from '../measure.ts';
import { FathomBackups } from './fathom-backups.ts';
import { databaseNames, FleetData, type FleetDatabase } from './fleet-data.ts';
import { findRestic, Restic } from './restic.ts';
import {
  DATABASES,
  MEGABYTES,
  MIB,
  NICENESS,
  PARALLEL,
  ROUNDS,
  requireSpace,
  restoreSeconds,
  secondsOf,
} from './workload.ts';

const CHANGED_SHARE = 0.01;
/** Databases that are written to all the time. */
const WRITERS = 4;
const WRITE_ROWS = join(import.meta.dirname, 'write-rows.mjs');

/** What one side needed in one round. Seconds, and bytes of the files on the target. */
interface Measured {
  full: number;
  second: number;
  restore: number;
  stored: number;
  moved: number;
}

const MEASURES = {
  full: { name: 'first backup', unit: 's', bar: 1 },
  second: { name: 'backup after changes', unit: 's', bar: 1 },
  restore: { name: 'restore', unit: 's', bar: 1 },
  stored: { name: 'bytes of the first backup', unit: 'MiB', bar: 1.1 },
  moved: { name: 'bytes of the backup after changes', unit: 'MiB', bar: 1.1 },
} as const satisfies Record<keyof Measured, { name: string; unit: string; bar: number }>;

/**
 * Backups of a fleet with writers, against restic over copies that SQLite made. Times of backups include the copies of both
 * sides. Those of Fathom also include the check of each copy, and those of its restores the check of each restored database.
 * Restores end when the disk has everything.
 */
export async function benchBackups(): Promise<boolean> {
  const version = await findRestic();
  if (version === null) {
    console.log('skipped backups: restic is not installed');
    return true;
  }
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  try {
    await requireSpace(scratch);
    const data = await FleetData.create(join(scratch, 'data'), databaseNames(DATABASES), MEGABYTES * MIB);
    const rounds: { ours: Measured; theirs: Measured }[] = [];
    for (let round = 0; round < ROUNDS; round += 1)
      rounds.push(await measureRound(data, join(scratch, 'round'), { isPeerFirst: round % 2 === 1 }));
    const results = Object.entries(MEASURES).map(([key, { name, unit, bar }]) => {
      const measure = key as keyof Measured;
      // Round by round, as the machine itself is faster at one time than at another.
      const each = rounds.map(({ ours, theirs }) => [ours[measure], theirs[measure]] as const);
      return report({
        name: `backups, ${name}`,
        compares: `${DATABASES} databases with ${MEGABYTES} MiB, ${PARALLEL} at a time / restic ${version} over copies by SQLite`,
        value: median(each.map(([ours, theirs]) => ours / theirs)),
        bar,
        unit: '',
        details: `median of ${ROUNDS} rounds, ${unit}: ${each.map((pair) => pair.map((one) => one.toFixed(1)).join(' against ')).join(', ')}`,
      });
    });
    return results.every(Boolean);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function measureRound(
  data: FleetData,
  directory: string,
  { isPeerFirst }: { isPeerFirst: boolean },
): Promise<{ ours: Measured; theirs: Measured }> {
  const ours = { side: new FathomBackups(join(directory, 'ours'), PARALLEL), measured: nothing() };
  const restic = new Restic(join(directory, 'theirs'), { parallel: PARALLEL, niceness: NICENESS });
  const theirs = { side: restic, measured: nothing() };
  const inOrder = isPeerFirst ? [theirs, ours] : [ours, theirs];
  for (const { side } of inOrder) await side.init();
  {
    await using _ = await startWriters(data.databases.slice(0, WRITERS));
    for (const { side, measured } of inOrder) {
      measured.full = await secondsOf(() => side.backUp(data));
      measured.stored = await mebibytesIn(side.target);
    }
    await data.change(CHANGED_SHARE);
    for (const { side, measured } of inOrder) {
      measured.second = await secondsOf(() => side.backUp(data));
      measured.moved = (await mebibytesIn(side.target)) - measured.stored;
    }
  }
  for (const { side, measured } of inOrder) {
    const restored = join(directory, 'restored');
    measured.restore = await restoreSeconds(() => side.restore(data, restored));
    await rm(restored, { recursive: true });
  }
  await rm(directory, { recursive: true });
  return { ours: ours.measured, theirs: theirs.measured };
}

function nothing(): Measured {
  return { full: 0, second: 0, restore: 0, stored: 0, moved: 0 };
}

/** Of the contents of files: what a server of S3 bills. */
async function mebibytesIn(directory: string): Promise<number> {
  const { stdout } = await execa('du', ['--summarize', '--apparent-size', '--bytes', directory]);
  return Number.parseInt(stdout, 10) / MIB;
}

async function startWriters(databases: readonly FleetDatabase[]): Promise<AsyncDisposable> {
  const child = fork(
    WRITE_ROWS,
    databases.map(({ dataDir }) => join(dataDir, 'data.db')),
  );
  await once(child, 'message');
  return {
    async [Symbol.asyncDispose]() {
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
}
