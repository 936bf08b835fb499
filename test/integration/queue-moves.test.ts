import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  type Arbitrary,
  array,
  assert,
  asyncProperty,
  boolean,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  option,
  record,
} from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HookClient } from '../../daemon/queue/store/hook-client.ts';
import type { Outcome } from '../../shared/hooks/queue-operations.ts';
import { TASK_TRANSITIONS, type TaskStatus } from '../../shared/task.ts';
import { leaseFaults, logLeases, readLeases } from '../chaos/lease-log.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { REFUSED_BY_TRIGGER } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { hookAccess } from '../helpers/queue.ts';

const LEASE_MS = 60_000;
const MAX_RUNNING = 2;

interface Claimed {
  task: { id: string; epoch: number } | null;
}

const worker = constantFrom('one', 'two');
/** Which of the tasks, and which of the leases that were ever given. */
const index = nat(6);
const operation = oneof(
  {
    weight: 4,
    arbitrary: record({
      kind: constant('add' as const),
      maxAttempts: integer({ min: 1, max: 3 }),
      claimedBy: option(worker),
    }),
  },
  { weight: 6, arbitrary: record({ kind: constant('claim' as const), worker }) },
  {
    weight: 6,
    arbitrary: record({
      kind: constant('settle' as const),
      index,
      outcome: constantFrom('done', 'retry', 'dead', 'cancelled', 'returned'),
      claim: boolean(),
    }),
  },
  { weight: 2, arbitrary: record({ kind: constant('heartbeat' as const), index }) },
  { weight: 2, arbitrary: record({ kind: constant('cancel' as const), index }) },
  { weight: 2, arbitrary: record({ kind: constant('retry' as const), index }) },
  { weight: 3, arbitrary: record({ kind: constant('expire' as const), index }) },
);

type Operation = typeof operation extends Arbitrary<infer T> ? T : never;

let fathom: Deployment;
let hooks: HookClient;
let database: DatabaseSync;

/** The control plane alone: its daemon is gone, so that no worker but the ones made up here takes anything. */
async function controlPlaneAlone(): Promise<void> {
  fathom = await deployment();
  const daemon = await fathom.start();
  daemon.signal('SIGKILL');
  await daemon.exited;
  hooks = new HookClient(hookAccess(fathom));
  await hooks.call('configure', { max_running: MAX_RUNNING });
  const path = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  logLeases(path);
  database = new DatabaseSync(path, { timeout: 10_000 });
  onTestFinished(async () => {
    hooks.close();
    database.close();
    // Takes the global PocketBase over, and along.
    await fathom.start();
  });
}

class Run {
  readonly ids: string[] = [];
  readonly leases: { id: string; epoch: number; worker: string }[] = [];
  #count = 0;

  async do(step: Operation): Promise<void> {
    switch (step.kind) {
      case 'add': {
        this.#count += 1;
        const id = `task${String(this.#count).padStart(11, '0')}`;
        const row = {
          id,
          type: 'x',
          payload: '{}',
          priority: 0,
          max_attempts: step.maxAttempts,
          timeout_s: 60,
        };
        this.ids.push(id);
        if (step.claimedBy === null) await hooks.call('enqueue', row);
        else {
          const body = { worker: step.claimedBy, lease_ms: LEASE_MS, row };
          this.#note(step.claimedBy, await hooks.call('add-and-claim', body));
        }
        return;
      }
      case 'claim':
        this.#note(
          step.worker,
          await hooks.call('claim', { worker: step.worker, lease_ms: LEASE_MS, rescue: true }),
        );
        return;
      case 'settle':
        return this.#settle(step);
      case 'heartbeat': {
        const lease = this.#lease(step.index);
        if (!lease) return;
        const valid = isHeld(lease);
        const body = {
          worker: lease.worker,
          lease_ms: LEASE_MS,
          leases: [{ ...lease, progress: 5, message: null }],
        };
        const { lost } = await hooks.call('heartbeat', body);
        expect(lost.length === 0).toBe(valid);
        return;
      }
      case 'cancel':
      case 'retry': {
        const id = this.ids[step.index % Math.max(1, this.ids.length)];
        if (id !== undefined) await hooks.call(step.kind, { id });
        return;
      }
      case 'expire': {
        const lease = this.#lease(step.index);
        if (!lease) return;
        database
          .prepare(
            "UPDATE global_queue SET lease_expires_at = '2000-01-01 00:00:00.000Z' WHERE id = ? AND status = 'processing'",
          )
          .run(lease.id);
      }
    }
  }

  async #settle(step: { index: number; outcome: Outcome['kind']; claim: boolean }): Promise<void> {
    const lease = this.#lease(step.index);
    if (!lease) return;
    const valid = isHeld(lease);
    const before = statusOf(lease.id);
    const isLast = this.#isLast(lease);
    const answer = await hooks.call('settle', {
      ...lease,
      lease_ms: LEASE_MS,
      claim: step.claim,
      outcome: { kind: step.outcome, result: '1', error: '{"message":"m"}', signature: 's', delay_ms: 0 },
    });
    // Saying it again is answered as the first time, and changes nothing.
    const isOver = step.outcome === 'done' ? before === 'done' : before !== 'processing';
    expect(answer.accepted).toBe(valid || (isOver && isLast));
    this.#note(lease.worker, answer);
  }

  #isLast(lease: { id: string; epoch: number; worker: string }): boolean {
    const row = database
      .prepare('SELECT lease_epoch, worker_id FROM global_queue WHERE id = ?')
      .get(lease.id);
    return row?.['lease_epoch'] === lease.epoch && row['worker_id'] === lease.worker;
  }

  #note(by: string, { task }: Claimed): void {
    if (task) this.leases.push({ id: task.id, epoch: task.epoch, worker: by });
  }

  #lease(at: number): { id: string; epoch: number; worker: string } | undefined {
    return this.leases.at(-1 - (at % Math.max(1, this.leases.length)));
  }
}

function statusOf(id: string): string {
  return String(database.prepare('SELECT status FROM global_queue WHERE id = ?').get(id)?.['status']);
}

function isHeld({ id, epoch, worker: by }: { id: string; epoch: number; worker: string }): boolean {
  const row = database
    .prepare(
      `SELECT 1 FROM global_queue WHERE id = ? AND lease_epoch = ? AND worker_id = ? AND status = 'processing'
       AND lease_expires_at > strftime('%Y-%m-%d %H:%M:%fZ', 'now')`,
    )
    .get(id, epoch, by);
  return row !== undefined;
}

describe('tasks, after any operations', () => {
  it('only make the moves of the table, run no more than allowed, and refuse lost leases', {
    timeout: 300_000,
  }, async () => {
    await controlPlaneAlone();
    await assert(
      asyncProperty(array(operation, { minLength: 5, maxLength: 40 }), async (steps) => {
        database.exec('DELETE FROM global_queue; DELETE FROM chaos_log');
        const run = new Run();
        for (const step of steps) {
          await run.do(step);
          const running = database
            .prepare("SELECT COUNT(*) AS n FROM global_queue WHERE status = 'processing'")
            .get();
          expect(running?.['n']).toBeLessThanOrEqual(MAX_RUNNING);
        }
        const { changes } = readLeases(join(fathom.dataDir, 'global', 'pb_data', 'data.db'));
        for (const { before, after } of changes) {
          expect(TASK_TRANSITIONS[before as TaskStatus]).toContain(after);
        }
        expect(leaseFaults(changes)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('cannot be moved otherwise, not even by hand', async () => {
    await controlPlaneAlone();
    await hooks.call('enqueue', {
      id: 'task00000000000',
      type: 'x',
      payload: '{}',
      priority: 0,
      max_attempts: 1,
      timeout_s: 1,
    });
    for (const status of ['done', 'failed', 'dead']) {
      expect(() => database.prepare('UPDATE global_queue SET status = ?').run(status)).toThrow(
        expect.objectContaining(REFUSED_BY_TRIGGER),
      );
    }
  });
});
