import type { Logger } from '../../daemon/base/log/log.ts';
import { Semaphore } from '../../daemon/base/semaphore.ts';
import type { InstanceLog } from '../../daemon/pocketbase/logs/instance-log.ts';
import { MemoryGuard } from '../../daemon/supervisor/health/memory-guard.ts';
import type { InstanceFiles } from '../../daemon/supervisor/instance-files.ts';
import type { InstanceSpec } from '../../daemon/supervisor/instance-spec.ts';
import { Runner } from '../../daemon/supervisor/runner.ts';
import type { PortMoves } from '../../daemon/supervisor/start/port-moves.ts';
import { PortAllocator } from '../../daemon/supervisor/start/ports.ts';
import type { InstanceLimits } from '../../shared/api/instances.ts';
import type { FleetEvent } from '../../shared/events.ts';
import { canTransition, type InstancePhase } from '../../shared/instance.ts';
import type { PhaseReasonCode } from '../../shared/reasons.ts';
import { FakeDriver, type Fate } from './fake-driver.ts';
import { ManualTime, settle } from './manual-time.ts';

/** No instance has moved before. */
export const NO_MOVES: Pick<PortMoves, 'last' | 'record' | 'forget'> = {
  last: () => null,
  record: (_spec, from, at) => ({ from, at: at.toISOString(), reason: 'it was in use' }),
  forget: () => {},
};

/** Everything is in its place. */
export const NO_FILES: InstanceFiles = {
  startProblem: () => Promise.resolve(null),
  writeProblem: () => Promise.resolve(null),
  incompleteReason: () => null,
  release: async () => {},
  database: () => null,
  inspector: () => () => Promise.resolve({ broken: null, limited: null }),
  unsafeToCloseReason: () => Promise.resolve(null),
  unresponsiveReason: () => Promise.resolve(null),
  close: () => {},
  noteFailed: () => {},
  rescue: () => Promise.resolve(null),
};

/** Runners over processes that exist in memory only, on a clock that a test moves. */
export class Stage {
  readonly time = new ManualTime();
  readonly faults: string[] = [];
  readonly phases: { name: string; to: InstancePhase; reason: PhaseReasonCode | null }[] = [];
  readonly driver: FakeDriver;
  readonly runners: Runner[] = [];
  fate: () => Fate = () => ({ kind: 'serves', afterMs: 20 });
  random: () => number = () => 0.5;
  files: InstanceFiles = NO_FILES;
  /** Memory in bytes by pid. */
  readonly memory = new Map<number, number>();
  /** Whether the instances have run before. */
  hasServed = true;
  restarts = { baseMs: 500, capMs: 300_000, maxAttempts: 10 };
  limits: InstanceLimits = { memory_bytes: null, disk_bytes: null, sleep_after: 0 };

  constructor() {
    this.driver = new FakeDriver(this.time, () => this.fate());
  }

  add(count: number, slots = 1): void {
    const ports = new PortAllocator({
      host: '127.0.0.1',
      base: 9000,
      range: count,
      sockets: {
        hold: (_host, port) =>
          Promise.resolve(![...this.driver.alive.values()].some(({ command }) => command.port === port)),
        release: () => {},
      },
    });
    const starts = new Semaphore(slots);
    const log = {
      warn: () => {},
      info: () => {},
      error: ({ err }: { err: Error }) => this.faults.push(String(err.stack)),
    } as unknown as Logger;
    for (let index = 0; index < count; index += 1) {
      const spec = this.#spec(`i${index}`, `/data/i${index}`, ports);
      const publish = (event: FleetEvent) => {
        if (event.kind !== 'instance.phase') return;
        const reason = event.instance.reason?.code ?? null;
        this.phases.push({ name: event.name, to: event.to, reason });
        if (!canTransition(event.from, event.to)) this.faults.push(`${event.from} → ${event.to}`);
      };
      const deps = {
        moves: NO_MOVES,
        driver: this.driver,
        probe: this.driver.probe,
        ports,
        starts,
        clock: this.time,
        log,
        publish,
        random: () => this.random(),
        settings: { restarts: this.restarts },
        healthIntervalMs: 1_000,
        memory: new MemoryGuard(this.time, {
          ofProcess: (pid) => this.memory.get(pid) ?? null,
          available: () => 0,
        }),
        stopGraceMs: 10_000,
        files: this.files,
      };
      this.runners.push(new Runner(spec, deps, null));
    }
  }

  get first(): Runner {
    return this.runners[0] as Runner;
  }

  /** Lets time pass until it is so; the manual clock is the bound. */
  async until(condition: () => boolean, what: string): Promise<void> {
    for (let step = 0; step < 5_000; step += 1) {
      await settle();
      if (condition()) return;
      await this.time.advance(50);
    }
    const seen = this.runners.map(({ state }) => `${state.phase} (wants ${state.observed.desired})`);
    throw new Error(`never: ${what}; ${seen.join(', ')}; ${this.faults.join('\n')}`);
  }

  untilPhase(phase: InstancePhase, runner = this.first): Promise<void> {
    return this.until(() => runner.state.phase === phase, phase);
  }

  async close(how: 'stop' | 'leave' = 'stop'): Promise<void> {
    let closed = false;
    const closing = Promise.all(this.runners.map((runner) => runner.close(how))).then(() => {
      closed = true;
      return closed;
    });
    await this.until(() => closed, 'closed');
    await closing;
  }

  #spec(name: string, directory: string, ports: PortAllocator): InstanceSpec {
    const lines = () => this.driver.logs.get(name) ?? [];
    return {
      name,
      kind: 'user',
      userId: name,
      email: null,
      createdAt: this.time.now().toISOString(),
      directory,
      log: {
        path: `${directory}/log`,
        prepare: () => Promise.resolve(0),
        end: () => Promise.resolve(0),
        recordRun: () => Promise.resolve(),
        tail: () => Promise.resolve(lines()),
      } as unknown as InstanceLog,
      binary: { path: process.execPath, version: '0', sha256: 'abc', embedded: true, stamp: '' },
      pinnedVersion: null,
      archived: () => null,
      bringBack: () => Promise.resolve(null),
      binaryProblem: () => Promise.resolve(null),
      versionOf: () => null,
      host: '127.0.0.1',
      port: { preferred: 9000 },
      migrationsDir: directory,
      hooksDir: null,
      publicDir: null,
      hooksPool: 1,
      environment: {},
      prepare: () => Promise.resolve(null),
      onReplaced: () => {},
      hasServed: () => this.hasServed,
      publicUrl: (port) => `http://127.0.0.1:${port}`,
      probeAuthorization: null,
      savePort: (port) => {
        ports.keepOnly(name, port);
        return Promise.resolve(true);
      },
      onPort: () => {},
      limits: () => this.limits,
      sleepAfterMs: () => this.limits.sleep_after * 60_000 || null,
      staysAwake: () => false,
      hasOwnJobs: () => false,
      isDeveloper: () => false,
      access: () => 'app',
      isPrepared: () => true,
      applications: () => [],
      connectPorts: () => null,
    };
  }
}
