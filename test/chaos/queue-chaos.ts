import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CODES } from '../../shared/errors.ts';
import { type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { until } from '../helpers/until.ts';
import { KeptProcess } from './kept-process.ts';
import { leaseFaults, logLeases, readLeases } from './lease-log.ts';
import { describeQueue } from './queue-state.ts';
import { seeded } from './random.ts';

const WORKER = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  join(import.meta.dirname, '..', 'fixtures', 'scripted-worker.ts'),
] as const;

/** Short, so that what a killed worker held comes back soon. */
export const CHAOS_LEASE_MS = 3_000;
const WORKERS = 3;
/** Of the tasks, those whose handler fails every time. */
const HOPELESS_SHARE = 0.1;
const SETTLED_WITHIN_MS = 180_000;
const CONTROL_PLANE_LOST = ERROR_CODES['control_plane.unavailable'].exit;

export interface ChaosReport {
  seed: number;
  kills: { worker: number; daemon: number; global: number };
  /** Starts of a daemon that failed because the global PocketBase was killed meanwhile. */
  failed_starts: number;
  /** How long processes were killed, and how long the queue then took to become empty. */
  seconds: { killing: number; settling: number };
  tasks: number;
  done: number;
  dead: number;
  attempts: number;
  leases_lost: number;
  faults: string[];
}

interface Note {
  what: 'start' | 'end';
  id: string;
  epoch: number;
}

/**
 * Works on tasks while workers, the daemon and the global PocketBase are killed, one after the other and each right after
 * some more was written by handlers; then everything is left alone until the queue is empty, and looked over.
 *
 * Workers and the daemon are launched again whenever they end, as by systemd: a daemon that loses the global PocketBase
 * during its start ends with the exit code of `control_plane.unavailable`. Every other end is a fault.
 */
export async function queueChaos(
  fathom: Deployment,
  options: { seed: number; tasks: number; kills: number },
): Promise<ChaosReport> {
  const random = seeded(options.seed);
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const file = join(fathom.filesDir, 'notes.jsonl');
  const database = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  const lease = { TEST_LEASE_MS: String(CHAOS_LEASE_MS) };

  await using daemon = new KeptProcess(
    () => fathom.launch(lease, SCRIPTED),
    await fathom.start(lease, SCRIPTED),
  );
  logLeases(database);
  // Otherwise little of the work is left when the first process is killed, on a host that adds slowly.
  await fathom.client.queue.pause();
  const hopeless = new Set<string>();
  for (let count = 0; count < options.tasks; count += 1) {
    if (random() < HOPELESS_SHARE) {
      const payload = { way: 'throws' };
      const { id } = await fathom.client.queue.add({
        type: 'misbehave',
        payload,
        max_attempts: between(1, 3),
      });
      hopeless.add(id);
      continue;
    }
    const payload = { file, ms: between(5, 250) };
    await fathom.client.queue.add({ type: 'interval', payload, max_attempts: between(3, 25) });
  }
  await using resources = new AsyncDisposableStack();
  const workers = Array.from({ length: WORKERS }, () =>
    resources.use(new KeptProcess(() => fathom.launch(lease, WORKER))),
  );

  await fathom.client.queue.resume();

  const killed: string[] = [];
  const beganAt = performance.now();
  const kills = { worker: 0, daemon: 0, global: 0 };
  while (kills.worker + kills.daemon + kills.global < options.kills) {
    await progressOf(file, between(1, 8));
    const choice = random();
    let what: keyof ChaosReport['kills'];
    if (choice < 0.5) {
      await workers[between(0, WORKERS - 1)]?.kill();
      what = 'worker';
    } else if (choice < 0.75) {
      await daemon.kill();
      what = 'daemon';
    } else {
      const found = (await fleetProcesses(fathom.dataDir)).find(({ instance }) => instance === 'global');
      if (!found || !kill(found.pid)) continue;
      what = 'global';
    }
    kills[what] += 1;
    killed.push(`${new Date().toISOString()} ${what}`);
  }

  const settlingSince = performance.now();
  const processes = {
    daemon,
    ...Object.fromEntries(workers.map((worker, index) => [`worker ${index}`, worker])),
  };
  await until(() => isEmpty(fathom), {
    timeoutMs: SETTLED_WITHIN_MS,
    what: async () =>
      [
        `the queue to be empty, with seed ${options.seed}; killed:`,
        ...killed,
        await describeQueue(fathom, processes),
      ].join('\n'),
  });
  const seconds = {
    killing: secondsBetween(beganAt, settlingSince),
    settling: secondsBetween(settlingSince, performance.now()),
  };
  for (const worker of workers) await worker.close();
  const { changes, tasks } = readLeases(database);
  const notes = readNotes(file);
  const faults = [...leaseFaults(changes), ...effectFaults(tasks, notes)];
  for (const [name, { ends }] of Object.entries(processes)) {
    for (const { code, output } of ends)
      if (name !== 'daemon' || code !== CONTROL_PLANE_LOST)
        faults.push(`${name} ended with ${code}: ${output}`);
  }
  for (const { id, status } of tasks)
    if (hopeless.has(id) && status !== 'dead') faults.push(`${id} can only fail and is ${status}`);
  const withStatus = (status: string) => tasks.filter((task) => task.status === status).length;
  if (tasks.length !== options.tasks)
    faults.push(`${options.tasks} tasks were added, ${tasks.length} are there`);
  return {
    seed: options.seed,
    kills,
    failed_starts: daemon.ends.length,
    seconds,
    tasks: tasks.length,
    done: withStatus('done'),
    dead: withStatus('dead'),
    attempts: changes.filter(({ after }) => after === 'processing').length,
    leases_lost: changes.filter(
      ({ before, after, expires_before, at }) =>
        before === 'processing' && after !== 'done' && expires_before <= at,
    ).length,
    faults,
  };
}

function secondsBetween(fromMs: number, toMs: number): number {
  return Math.round((toMs - fromMs) / 100) / 10;
}

/** False when it has ended meanwhile, as when a daemon whose start failed ends it. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Waits until handlers wrote some more lines; what is down meanwhile may hold that up, so not for ever. */
async function progressOf(file: string, lines: number): Promise<void> {
  const before = readNotes(file).length;
  await until(() => readNotes(file).length >= before + lines, {
    timeoutMs: CHAOS_LEASE_MS * 2,
    what: 'progress',
  }).catch(() => {});
}

async function isEmpty(fathom: Deployment): Promise<boolean> {
  try {
    const { counts } = await fathom.client.queue.stats();
    return counts.pending + counts.processing + counts.failed === 0;
  } catch {
    return false;
  }
}

function readNotes(file: string): Note[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Note);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function effectFaults(
  tasks: readonly {
    id: string;
    status: string;
    lease_epoch: number;
    result: string | null;
    errors: string | null;
  }[],
  notes: readonly Note[],
): string[] {
  const faults: string[] = [];
  for (const { id, status, lease_epoch, result, errors } of tasks) {
    if (status === 'dead' && !errors?.includes('"message"')) faults.push(`${id} is dead without a reason`);
    if (status !== 'done' && status !== 'dead') faults.push(`${id} is ${status}`);
    if (status !== 'done') continue;
    const { epoch } = JSON.parse(result ?? '{}') as { epoch?: number };
    if (epoch !== lease_epoch)
      faults.push(`${id} took the result of epoch ${epoch}, its lease was ${lease_epoch}`);
  }
  // A handler whose lease was lost is gone before the next one begins.
  const latest = new Map<string, number>();
  for (const { what, id, epoch } of notes) {
    const begun = latest.get(id) ?? 0;
    if (epoch < begun) faults.push(`${id}: epoch ${epoch} wrote '${what}' after epoch ${begun} had begun`);
    latest.set(id, Math.max(begun, epoch));
  }
  return faults;
}
