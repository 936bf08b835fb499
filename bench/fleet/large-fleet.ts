import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { fleetIdOf } from '../../daemon/pocketbase/process/command.ts';
import { KEEPER_VARIABLE } from '../../daemon/pocketbase/process/keeper/keeper-link.ts';
import { findByEnvironment, processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { createDeployment, type Deployment } from '../../test/helpers/deployment.ts';
import { median, report } from '../measure.ts';
import { addSleepingDatabases, PORTS, portsOf } from './many-databases.ts';

const FEW = 10;
const MANY = 10_000;
const STARTS = 5;
/** Longer than the interval of reconciliations. */
const WINDOW_MS = 90_000;
const SETTLE_MS = 60_000;
/** After the start, the files of all databases are read once for jobs of their own: 20 in a second. */
const SETTLE_MS_PER_DATABASE = 50;

/** What sleeping databases cost: at the start, and while nothing happens. */
export async function benchLargeFleet(): Promise<boolean> {
  const few = await createFleet(FEW);
  const many = await createFleet(MANY);
  try {
    const startsOfFew: number[] = [];
    const startsOfMany: number[] = [];
    let closed = 0;
    for (let turn = 0; turn < STARTS; turn += 1) {
      startsOfFew.push((await timedStart(few, FEW)).ms);
      const start = await timedStart(many, MANY);
      startsOfMany.push(start.ms);
      closed += start.closed;
    }
    const ready = report({
      name: 'start with many databases',
      compares: `start until ready with ${MANY} sleeping databases / with ${FEW}`,
      value: median(startsOfMany) / median(startsOfFew),
      bar: 1.5,
      unit: '',
      details: `medians of ${STARTS}: ${Math.round(median(startsOfMany))} ms and ${Math.round(median(startsOfFew))} ms`,
    });
    const open = report({
      name: 'refused when the daemon is ready',
      compares: `ports of sleeping databases that refuse a connection when the daemon is ready, of ${MANY * STARTS}`,
      value: closed,
      bar: 0,
      unit: '',
      details: 'every port of each start',
    });

    const small = await measureIdle(few, FEW);
    const large = await measureIdle(many, MANY);
    const cpu = report({
      name: 'idle CPU with many databases',
      compares: `CPU of daemon and keeper over ${WINDOW_MS / 1000} s with ${MANY} sleeping databases, of one core`,
      value: large.percent.daemon + large.percent.keeper,
      bar: 0.5,
      unit: ' %',
      details: `${describePercent(large)}; with ${FEW} databases ${describePercent(small)}`,
    });
    const memory = report({
      name: 'memory with many databases',
      compares: `proportional set size of daemon and keeper with ${MANY} sleeping databases`,
      value: large.daemonMb + large.keeperMb,
      bar: 200,
      unit: ' MB',
      details: `daemon ${large.daemonMb.toFixed(1)} MB and keeper ${large.keeperMb.toFixed(1)} MB; with ${FEW} databases ${small.daemonMb.toFixed(1)} MB and ${small.keeperMb.toFixed(1)} MB`,
    });
    return ready && open && cpu && memory;
  } finally {
    await few.dispose();
    await many.dispose();
  }
}

async function createFleet(databases: number): Promise<Deployment> {
  const fathom = await createDeployment({ ...PORTS, SLEEP_AFTER: '30' }, { ports: 10 });
  await addSleepingDatabases(fathom, databases);
  return fathom;
}

/** Milliseconds until the daemon is ready, and the number of databases whose port is closed then. */
async function timedStart(fathom: Deployment, databases: number): Promise<{ ms: number; closed: number }> {
  const before = performance.now();
  const daemon = await fathom.start();
  const ms = performance.now() - before;
  let closed = 0;
  // The last ones first: they are opened last.
  for (const port of portsOf(databases).toReversed()) if (!(await isOpen(port))) closed += 1;
  await daemon.stop();
  return { ms, closed };
}

/** A connection without a request wakes nothing. */
function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.resetAndDestroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

interface Idle {
  /** CPU time, of one core. */
  percent: Record<'daemon' | 'keeper' | 'global', number>;
  daemonMb: number;
  keeperMb: number;
}

async function measureIdle(fathom: Deployment, databases: number): Promise<Idle> {
  const daemon = await fathom.start();
  await pause(SETTLE_MS + databases * SETTLE_MS_PER_DATABASE);
  const { pid: globalPid } = await fathom.client.databases.get('global');
  const [keeper] = await findByEnvironment(KEEPER_VARIABLE, await fleetIdOf(fathom.dataDir));
  if (globalPid === null || keeper === undefined)
    throw new Error('the global PocketBase or the keeper does not run');
  const pids = [daemon.pid, keeper.pid, globalPid];
  const cpuSeconds = () => pids.map((pid) => processStat(pid)?.cpuSeconds ?? 0);
  const before = cpuSeconds();
  await pause(WINDOW_MS);
  const [ofDaemon = 0, ofKeeper = 0, ofGlobal = 0] = cpuSeconds().map(
    (after, index) => ((after - (before[index] ?? 0)) / (WINDOW_MS / 1000)) * 100,
  );
  const [daemonMb, keeperMb] = [await proportionalMb(daemon.pid), await proportionalMb(keeper.pid)];
  await daemon.stop();
  return { percent: { daemon: ofDaemon, keeper: ofKeeper, global: ofGlobal }, daemonMb, keeperMb };
}

function describePercent({ percent: { daemon, keeper, global } }: Idle): string {
  return `daemon ${daemon.toFixed(2)} %, keeper ${keeper.toFixed(2)} %, global PocketBase ${global.toFixed(2)} %`;
}

async function proportionalMb(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return (Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]) * 1024) / 1e6;
}

/** The benchmark measures a span of time, so here a pause is the measurement. */
function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
