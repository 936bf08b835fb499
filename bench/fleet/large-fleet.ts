import { processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { createDeployment, type Deployment } from '../../test/helpers/deployment.ts';
import { median, report, residentBytes } from '../measure.ts';
import { addStoppedDatabases, PORTS } from './stopped-databases.ts';

const FEW = 10;
const MANY = 10_000;
const STARTS = 5;
/** Longer than the interval of reconciliations. */
const WINDOW_MS = 90_000;
const SETTLE_MS = 30_000;
const BYTES_PER_KB = 1000;

/** What databases without a process cost the daemon and the global PocketBase: at the start, and while nothing happens. */
export async function benchLargeFleet(): Promise<boolean> {
  const few = await createFleet(FEW);
  const many = await createFleet(MANY);
  try {
    const startsOfFew: number[] = [];
    const startsOfMany: number[] = [];
    for (let turn = 0; turn < STARTS; turn += 1) {
      startsOfFew.push(await timedStart(few));
      startsOfMany.push(await timedStart(many));
    }
    const ready = report({
      name: 'start with many databases',
      compares: `start until ready with ${MANY} stopped databases / with ${FEW}`,
      value: median(startsOfMany) / median(startsOfFew),
      bar: 1.5,
      unit: '',
      details: `medians of ${STARTS}: ${Math.round(median(startsOfMany))} ms and ${Math.round(median(startsOfFew))} ms`,
    });

    const small = await measureIdle(few);
    const large = await measureIdle(many);
    const percent = (seconds: number) => (seconds / (WINDOW_MS / 1000)) * 100;
    const cpu = report({
      name: 'idle CPU with many databases',
      compares: `CPU of the daemon and the global PocketBase over ${WINDOW_MS / 1000} s with ${MANY} stopped databases, of one core`,
      value: percent(large.cpuSeconds),
      bar: 1.5,
      unit: ' %',
      details: `the daemon ${percent(large.daemonSeconds).toFixed(2)} %; with ${FEW} databases both ${percent(small.cpuSeconds).toFixed(2)} %, the daemon ${percent(small.daemonSeconds).toFixed(2)} %`,
    });
    const perDatabaseKb = (large.bytes - small.bytes) / (MANY - FEW) / BYTES_PER_KB;
    const memory = report({
      name: 'memory of databases without a process',
      compares: `resident memory of the daemon per database, ${MANY} stopped databases against ${FEW}`,
      value: perDatabaseKb,
      bar: 8,
      unit: ' KB',
      details: `${(large.bytes / 1e6).toFixed(1)} MB and ${(small.bytes / 1e6).toFixed(1)} MB`,
    });
    return ready && cpu && memory;
  } finally {
    await few.dispose();
    await many.dispose();
  }
}

async function createFleet(databases: number): Promise<Deployment> {
  const fathom = await createDeployment(PORTS, { ports: 10 });
  const first = await fathom.start();
  await first.stop();
  addStoppedDatabases(fathom, databases);
  return fathom;
}

/** Milliseconds until the daemon is ready. */
async function timedStart(fathom: Deployment): Promise<number> {
  const before = performance.now();
  const daemon = await fathom.start();
  const took = performance.now() - before;
  await daemon.stop();
  return took;
}

async function measureIdle(
  fathom: Deployment,
): Promise<{ cpuSeconds: number; daemonSeconds: number; bytes: number }> {
  const daemon = await fathom.start();
  await pause(SETTLE_MS);
  const { pid } = await fathom.client.databases.get('global');
  const read = () => [daemon.pid, pid].map((one) => (one === null ? 0 : (processStat(one)?.cpuSeconds ?? 0)));
  const [daemonBefore = 0, globalBefore = 0] = read();
  await pause(WINDOW_MS);
  const [daemonAfter = 0, globalAfter = 0] = read();
  const bytes = await residentBytes(daemon.pid);
  await daemon.stop();
  const daemonSeconds = daemonAfter - daemonBefore;
  return { cpuSeconds: daemonSeconds + globalAfter - globalBefore, daemonSeconds, bytes };
}

/** The benchmark measures a span of time, so here a pause is the measurement. */
function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
