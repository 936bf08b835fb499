import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Daemon, type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { until } from '../helpers/until.ts';
import { leaseFaults, logLeases, readLeases } from './lease-log.ts';
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

export interface ChaosReport {
  seed: number;
  kills: { worker: number; daemon: number; global: number };
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
 */
export async function queueChaos(
  fathom: Deployment,
  options: { seed: number; tasks: number; kills: number },
): Promise<ChaosReport> {
  const random = seeded(options.seed);
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const file = join(fathom.dataDir, 'notes.jsonl');
  const database = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  const lease = { TEST_LEASE_MS: String(CHAOS_LEASE_MS) };

  let daemon: Daemon = await fathom.start(lease, SCRIPTED);
  logLeases(database);
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
  const workers = Array.from({ length: WORKERS }, () => fathom.launch(lease, WORKER));

  const kills = { worker: 0, daemon: 0, global: 0 };
  while (kills.worker + kills.daemon + kills.global < options.kills) {
    await progressOf(file, between(1, 8));
    const choice = random();
    if (choice < 0.5) {
      const index = between(0, WORKERS - 1);
      await killed(workers[index] as Daemon);
      workers[index] = fathom.launch(lease, WORKER);
      kills.worker += 1;
    } else if (choice < 0.75) {
      await killed(daemon);
      daemon = fathom.launch(lease, SCRIPTED);
      kills.daemon += 1;
    } else {
      const found = (await fleetProcesses(fathom.dataDir)).find(({ instance }) => instance === 'global');
      if (!found) continue;
      process.kill(found.pid, 'SIGKILL');
      kills.global += 1;
    }
  }

  await until(() => isEmpty(fathom), { timeoutMs: SETTLED_WITHIN_MS, what: 'the queue to be empty' });
  for (const worker of workers) await worker.stop();
  const { changes, tasks } = readLeases(database);
  const notes = readNotes(file);
  const faults = [...leaseFaults(changes), ...effectFaults(tasks, notes)];
  for (const { id, status } of tasks)
    if (hopeless.has(id) && status !== 'dead') faults.push(`${id} can only fail and is ${status}`);
  const withStatus = (status: string) => tasks.filter((task) => task.status === status).length;
  if (tasks.length !== options.tasks)
    faults.push(`${options.tasks} tasks were added, ${tasks.length} are there`);
  return {
    seed: options.seed,
    kills,
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

async function killed(victim: Daemon): Promise<void> {
  victim.signal('SIGKILL');
  await victim.exited;
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
