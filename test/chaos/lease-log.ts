import { DatabaseSync } from 'node:sqlite';

/** One change of a task's lease or status, as a trigger in the database wrote it down, in the order of the commits. */
export interface LeaseChange {
  task: string;
  before: string;
  after: string;
  epoch_before: number;
  epoch_after: number;
  expires_before: string;
  worker: string;
  at: string;
}

const NOW = "strftime('%Y-%m-%d %H:%M:%fZ', 'now')";

/** Makes the control plane's database keep a log of every lease, beside PocketBase. */
export function logLeases(path: string): void {
  using(path, (database) =>
    database.exec(`
      CREATE TABLE IF NOT EXISTS chaos_log (n INTEGER PRIMARY KEY, task, before, after, epoch_before, epoch_after,
        expires_before, worker, at);
      CREATE TRIGGER IF NOT EXISTS chaos_log_status AFTER UPDATE ON global_queue
        WHEN OLD.status <> NEW.status OR OLD.lease_epoch <> NEW.lease_epoch
        BEGIN
          INSERT INTO chaos_log (task, before, after, epoch_before, epoch_after, expires_before, worker, at)
          VALUES (OLD.id, OLD.status, NEW.status, OLD.lease_epoch, NEW.lease_epoch, OLD.lease_expires_at,
            NEW.worker_id, ${NOW});
        END;`),
  );
}

export interface TaskRow {
  id: string;
  status: string;
  lease_epoch: number;
  result: string | null;
  errors: string | null;
}

export function readLeases(path: string): { changes: LeaseChange[]; tasks: TaskRow[] } {
  return using(path, (database) => ({
    changes: database.prepare('SELECT * FROM chaos_log ORDER BY n').all() as unknown as LeaseChange[],
    tasks: database
      .prepare('SELECT id, status, lease_epoch, result, errors FROM global_queue')
      .all() as unknown as TaskRow[],
  }));
}

/** How many tasks have each status, and those that are not finished. */
export function readUnfinished(path: string): { counts: Record<string, number>; tasks: object[] } {
  return using(path, (database) => {
    const counts = database
      .prepare('SELECT status, COUNT(*) AS count FROM global_queue GROUP BY status')
      .all();
    const unfinished = database
      .prepare(
        `SELECT id, type, status, run_at, attempts, max_attempts, worker_id, lease_epoch, lease_expires_at
         FROM global_queue WHERE status NOT IN ('done', 'dead', 'cancelled') ORDER BY run_at`,
      )
      .all();
    return {
      counts: Object.fromEntries(counts.map(({ status, count }) => [String(status), Number(count)])),
      tasks: unfinished.map((task) => ({ ...task })),
    };
  });
}

/** What was wrong about the leases: one line each. */
export function leaseFaults(changes: readonly LeaseChange[]): string[] {
  const faults: string[] = [];
  const finished = new Map<string, number>();
  for (const { task, before, after, epoch_before, epoch_after, at } of changes) {
    if (after === 'processing') {
      if (before !== 'pending') faults.push(`${task} was claimed while ${before} at ${at}`);
      if (epoch_after !== epoch_before + 1)
        faults.push(`${task} went from epoch ${epoch_before} to ${epoch_after}`);
    } else if (epoch_after !== epoch_before) {
      faults.push(`${task} changed its epoch without a claim`);
    }
    if (after === 'done') finished.set(task, (finished.get(task) ?? 0) + 1);
  }
  for (const [task, times] of finished) if (times > 1) faults.push(`${task} was done ${times} times`);
  return faults;
}

function using<T>(path: string, work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path, { timeout: 10_000 });
  try {
    return work(database);
  } finally {
    database.close();
  }
}
