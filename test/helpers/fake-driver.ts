import type { Clock } from '../../daemon/base/time/clock.ts';
import type { InstanceCommand } from '../../daemon/pocketbase/process/command.ts';
import type { Absence, HoldResult } from '../../daemon/pocketbase/process/keeper/keeper-protocol.ts';
import type { Prober } from '../../daemon/pocketbase/process/probe.ts';
import type {
  FoundProcess,
  InstanceProcess,
  ProcessDriver,
  ProcessExit,
} from '../../daemon/pocketbase/process/process-driver.ts';

/** How the next process that is started behaves. */
export type Fate =
  | { kind: 'serves'; afterMs: number; ignoresTerm?: boolean }
  | { kind: 'dies'; afterMs: number; code: number; says: string }
  | { kind: 'silent' }
  | { kind: 'refused' };

interface Body {
  command: Pick<InstanceCommand, 'name' | 'port' | 'dataDir' | 'binary'>;
  process: InstanceProcess;
  ready: boolean;
  hung: boolean;
  end(exit: ProcessExit): void;
}

/** Processes that exist in memory only, so that a test decides what each does, and when. Says nothing of PocketBase. */
export class FakeDriver implements ProcessDriver {
  readonly alive = new Map<number, Body>();
  /** What ought never to happen. */
  readonly violations: string[] = [];
  readonly logs = new Map<string, string[]>();
  spawned = 0;
  readonly #clock: Clock;
  readonly #fate: () => Fate;

  constructor(clock: Clock, fate: () => Fate) {
    this.#clock = clock;
    this.#fate = fate;
  }

  of(name: string): Body[] {
    return [...this.alive.values()].filter(({ command }) => command.name === name);
  }

  async spawn(command: Body['command']): Promise<InstanceProcess> {
    await new Promise((resolve) => setImmediate(resolve));
    const fate = this.#fate();
    if (fate.kind === 'refused') throw Object.assign(new Error('spawn EAGAIN'), { code: 'EAGAIN' });
    if (this.of(command.name).length > 0) this.violations.push(`two processes for ${command.name}`);
    for (const { command: other } of this.alive.values()) {
      if (other.port === command.port) this.violations.push(`two processes on port ${command.port}`);
    }
    this.logs.set(command.name, []);
    this.sleeping.delete(command.port);
    const body = this.#create(command, fate.kind === 'serves' && fate.ignoresTerm === true);
    if (fate.kind === 'serves') void this.#later(body, fate.afterMs, () => (body.ready = true));
    if (fate.kind === 'dies') {
      void this.#later(body, fate.afterMs, () => {
        this.logs.get(command.name)?.push(fate.says);
        body.end({ code: fate.code, signal: null });
      });
    }
    return body.process;
  }

  /** A process that an earlier daemon left: it is there and serves. */
  leave(command: Body['command']): FoundProcess {
    const body = this.#create(command, false);
    body.ready = true;
    return {
      instance: command.name,
      pid: body.process.pid,
      startTime: body.process.startTime,
      startedAt: this.#clock.now(),
      dataDir: command.dataDir,
      address: `127.0.0.1:${command.port}`,
      executable: command.binary,
      sha256: 'of-the-binary',
      hooksDir: null,
      publicDir: null,
      environment: new Map(),
      sandbox: body.process.sandbox,
    };
  }

  adopt(found: FoundProcess): InstanceProcess {
    const body = this.alive.get(found.pid);
    if (body) return body.process;
    return {
      pid: found.pid,
      startTime: found.startTime,
      sandbox: found.sandbox,
      exited: Promise.resolve({ code: null, signal: null }),
      signal: () => false,
      mayListen: () => Promise.resolve(false),
    };
  }

  sandboxFor() {
    return Promise.resolve({ level: 'full' as const, reason: null });
  }

  hold(): Promise<null> {
    return Promise.resolve(null);
  }

  take(): Promise<boolean> {
    return Promise.resolve(false);
  }

  release(): void {}

  explain(): void {}

  /** Ports of sleeping instances. */
  readonly sleeping = new Set<number>();
  /** Processes with clients, by pid. */
  readonly inUse = new Set<number>();

  async sleep({ port }: Pick<InstanceCommand, 'port'>, process: InstanceProcess | null): Promise<HoldResult> {
    await new Promise((resolve) => setImmediate(resolve));
    if (process && (this.inUse.has(process.pid) || !this.alive.has(process.pid))) {
      // The keeper looks for a while whether it has stopped.
      await this.#clock.sleep(50);
      return 'has_clients';
    }
    this.sleeping.add(port);
    if (process) this.alive.get(process.pid)?.end({ code: null, signal: 'SIGKILL' });
    await new Promise((resolve) => setImmediate(resolve));
    return 'held';
  }

  open(_host: string, { asleep = [] }: { asleep?: number[] }): Promise<ReadonlySet<number>> {
    for (const port of asleep) this.sleeping.add(port);
    return Promise.resolve(new Set());
  }

  sendCommands(): Promise<void> {
    return Promise.resolve();
  }

  onRing(): void {}

  onLost(): void {}

  absence(): Promise<Absence> {
    return Promise.resolve({ wakes: [], failed: [] });
  }

  find(): Promise<FoundProcess[]> {
    return Promise.resolve([]);
  }

  /** Replaces a request: answered by the process that listens on the port and is not hung. */
  readonly probe: Prober = async ({ port }, { signal }) => {
    const body = [...this.alive.values()].find(({ command }) => command.port === port);
    const ok = body?.ready === true && !body.hung;
    if (body?.hung) await this.#clock.sleep(5_000, signal);
    return { at: this.#clock.now().toISOString(), ok, latency_ms: 1, error: ok ? null : 'no answer' };
  };

  #create(command: Body['command'], ignoresTerm: boolean): Body {
    this.spawned += 1;
    const pid = 1000 + this.spawned;
    const exited = Promise.withResolvers<ProcessExit>();
    const body: Body = {
      command,
      ready: false,
      hung: false,
      end: (exit) => {
        this.alive.delete(pid);
        exited.resolve(exit);
      },
      process: {
        pid,
        startTime: this.spawned,
        sandbox: { level: 'full', reason: null },
        exited: exited.promise,
        mayListen: () => Promise.resolve(true),
        signal: (signal) => {
          if (!this.alive.has(pid)) return false;
          if (signal === 'SIGKILL') body.end({ code: null, signal });
          else if (signal === 'SIGTERM' && !ignoresTerm && !body.hung) {
            void this.#later(body, 30, () => body.end({ code: 0, signal: null }));
          }
          return true;
        },
      },
    };
    this.alive.set(pid, body);
    return body;
  }

  async #later(body: Body, ms: number, work: () => void): Promise<void> {
    await this.#clock.sleep(ms);
    if (this.alive.has(body.process.pid)) work();
  }
}
