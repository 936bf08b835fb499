import type {
  Instance,
  LastExit,
  PhaseReason,
  PortMove,
  Probe,
  Sandbox,
  Usage,
} from '../../shared/api/instances.ts';
import type { FleetEvent, LogRun } from '../../shared/events.ts';
import { canTransition, type EndedBy, type InstancePhase } from '../../shared/instance.ts';
import type { Clock } from '../base/time/clock.ts';
import { type CrashSeries, crashingReason, hasEnded } from './crash-series.ts';
import { dataDirOf, type InstanceSpec } from './instance-spec.ts';
import type { PortMoves } from './start/port-moves.ts';

/** Half an hour with the default interval. */
const MAX_PROBES = 60;

/** Phases in which the process of the instance has the port. In others, requests could reach another process. */
const LISTENS: ReadonlySet<InstancePhase> = new Set(['running', 'unresponsive']);
/** Phases in which connections to its port reach it sooner or later. */
const REACHABLE: ReadonlySet<InstancePhase> = new Set([...LISTENS, 'asleep', 'waking']);

/** The observed state of one instance, except its phase. */
export interface Observed {
  desired: 'running' | 'stopped';
  port: number | null;
  pid: number | null;
  /** Of the process with this pid. */
  sandbox: Sandbox | null;
  /** The PocketBase of the process with this pid, from its first probe on; null when it is not known. */
  binary: { version: string | null; sha256: string } | null;
  startedAt: Date | null;
  restarts: number;
  run: number | null;
  attempt: number;
  maxAttempts: number | null;
  nextAttemptAt: Date | null;
  lastExit: LastExit | null;
  crashes: CrashSeries | null;
}

export interface StateDeps {
  clock: Clock;
  publish: (event: FleetEvent) => void;
  moves: Pick<PortMoves, 'last' | 'record'>;
  /** The name of this node in its cluster. */
  node?: string | null;
}

/** The state of one instance. It changes only through `enter` and `update`, and each change is published. */
export class InstanceState {
  readonly #spec: InstanceSpec;
  readonly #clock: Clock;
  readonly #publish: (event: FleetEvent) => void;
  #phase: InstancePhase = 'stopped';
  #since: Date;
  #reason: PhaseReason | null = null;
  #observed: Observed;
  /** The port of its last run. A start may try several ports. */
  #lastPort: number | null;
  readonly #moves: StateDeps['moves'];
  readonly #node: string | null;
  #moved: PortMove | null;
  readonly #probes: Probe[] = [];
  #usage: Usage | null = null;
  /** The last view, until the state changes. Weak: thousands of instances are listed rarely. */
  #view: WeakRef<Instance> | null = null;
  /** No set: thousands of instances have none. */
  #watchers: (() => void)[] = [];

  constructor(spec: InstanceSpec, deps: StateDeps, lastPort: number | null) {
    this.#spec = spec;
    this.#clock = deps.clock;
    this.#publish = deps.publish;
    this.#since = deps.clock.now();
    this.#lastPort = lastPort;
    this.#moves = deps.moves;
    this.#node = deps.node ?? null;
    this.#moved = deps.moves.last(spec.name);
    this.#observed = {
      desired: 'stopped',
      port: lastPort,
      pid: null,
      sandbox: null,
      binary: null,
      startedAt: null,
      restarts: 0,
      run: null,
      attempt: 0,
      maxAttempts: null,
      nextAttemptAt: null,
      lastExit: null,
      crashes: null,
    };
  }

  get phase(): InstancePhase {
    return this.#phase;
  }

  /** Start of the current phase. */
  get since(): Date {
    return this.#since;
  }

  /** The port on which its process listens now; null while it listens on none. */
  get listeningPort(): number | null {
    return LISTENS.has(this.#phase) ? this.#observed.port : null;
  }

  /** The PocketBase of its process; without one, or for an unknown executable, that of its next start. */
  get version(): string {
    const { pid, binary } = this.#observed;
    return (pid === null ? null : binary?.version) ?? this.#spec.binary.version;
  }

  get reason(): PhaseReason | null {
    return this.#reason;
  }

  get observed(): Readonly<Observed> {
    return this.#observed;
  }

  get probe(): Probe | null {
    return this.#probes.at(-1) ?? null;
  }

  /** The last probes, oldest first. */
  get probes(): readonly Probe[] {
    return this.#probes;
  }

  get usage(): Usage | null {
    return this.#usage;
  }

  /** Enters a phase. For the current phase, only updates reason and changes. */
  enter(phase: InstancePhase, reason: PhaseReason | null, changes: Partial<Observed> = {}): void {
    this.#view = null;
    if (phase === this.#phase) {
      this.#reason = reason;
      this.update(changes);
      return;
    }
    const from = this.#phase;
    if (!canTransition(from, phase)) {
      throw new Error(`${this.#spec.name}: no transition from ${from} to ${phase}`);
    }
    this.#phase = phase;
    this.#since = this.#clock.now();
    this.#reason = reason;
    this.#observed = { ...this.#observed, ...changes };
    const viewed = () => this.view();
    this.#publish({
      kind: 'instance.phase',
      name: this.#spec.name,
      from,
      to: phase,
      at: this.#since.toISOString(),
      get instance() {
        return viewed();
      },
    });
    if (phase === 'running') this.#publishMove();
    this.#wake();
  }

  /**
   * Shows why it runs with limits before the next probe does. Other reasons than those of `own` are more important.
   *
   * @param own the reasons of the caller
   */
  showLimitation(reason: PhaseReason | null, own: ReadonlySet<PhaseReason['code']>): void {
    const shown = this.#reason?.code;
    if (this.#phase !== 'running' || shown === reason?.code) return;
    if (shown === undefined || own.has(shown)) this.enter('running', reason);
  }

  #publishMove(): void {
    const { port } = this.#observed;
    const from = this.#lastPort;
    this.#lastPort = port;
    if (from === null || port === null || from === port) return;
    this.#moved = this.#moves.record(this.#spec, from, this.#clock.now());
    this.#publish({ kind: 'instance.moved', name: this.#spec.name, from, to: port, at: this.#moved.at });
    this.update({});
  }

  /** Also publishes changes of the limits and of who can reach the database. */
  update(changes: Partial<Observed>): void {
    this.#view = null;
    this.#observed = { ...this.#observed, ...changes };
    const viewed = () => this.view();
    this.#publish({
      kind: 'instance.changed',
      name: this.#spec.name,
      get instance() {
        return viewed();
      },
    });
    this.#wake();
  }

  /** Records a new process and returns its run. */
  beginRun({ pid, sandbox }: { pid: number; sandbox: Sandbox }, port: number): LogRun {
    const startedAt = this.#clock.now();
    const run = (this.#observed.run ?? 0) + 1;
    this.update({ pid, sandbox, binary: null, port, startedAt, run });
    return { pid, run, started_at: startedAt.toISOString(), last_exit: this.#observed.lastExit };
  }

  recordExit({ code, signal }: { code: number | null; signal: string | null }, endedBy: EndedBy): void {
    const now = this.#clock.now();
    const { startedAt } = this.#observed;
    const uptime_s = startedAt ? Math.round((now.getTime() - startedAt.getTime()) / 100) / 10 : 0;
    this.update({
      pid: null,
      startedAt: null,
      lastExit: { code, signal, at: now.toISOString(), uptime_s, ended_by: endedBy },
    });
  }

  /** Ends a series of crashes. Call it now and then. */
  endCrashes(): void {
    const { crashes } = this.#observed;
    if (crashes === null || (this.#phase !== 'running' && this.#phase !== 'asleep')) return;
    if (hasEnded(crashes, this.#clock.now())) this.update({ crashes: null });
  }

  recordProbe(probe: Probe): void {
    this.#view = null;
    this.#probes.push(probe);
    if (this.#probes.length > MAX_PROBES) this.#probes.shift();
    this.#publish({ kind: 'instance.probe', name: this.#spec.name, probe });
  }

  recordUsage(usage: Usage): void {
    this.#view = null;
    this.#usage = usage;
    this.#publish({ kind: 'instance.usage', name: this.#spec.name, usage });
  }

  /** Waits until the state satisfies the condition. Resolves with false when the signal aborts first. */
  async until(condition: () => boolean, signal: AbortSignal): Promise<boolean> {
    while (!condition()) {
      if (signal.aborted) return false;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#watchers = this.#watchers.filter((other) => other !== wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#watchers.push(wake);
        signal.addEventListener('abort', wake);
      });
    }
    return true;
  }

  /** The instance for clients. The same frozen object until the state changes. */
  view(): Instance {
    const known = this.#view?.deref();
    if (known) return known;
    const view = Object.freeze(this.#createView());
    this.#view = new WeakRef(view);
    return view;
  }

  #createView(): Instance {
    const spec = this.#spec;
    const observed = this.#observed;
    const { port, crashes } = observed;
    return {
      name: spec.name,
      kind: spec.kind,
      user_id: spec.userId,
      email: spec.email,
      phase: this.#phase,
      since: this.#since.toISOString(),
      desired: observed.desired,
      reason: this.#reason ?? (this.#phase === 'running' ? crashingReason(crashes) : null),
      port,
      moved: this.#moved,
      url: port !== null && REACHABLE.has(this.#phase) ? spec.publicUrl(port) : null,
      pid: observed.pid,
      started_at: observed.startedAt?.toISOString() ?? null,
      restarts: observed.restarts,
      run: observed.run,
      attempt: observed.attempt,
      max_attempts: observed.maxAttempts,
      next_attempt_at: observed.nextAttemptAt?.toISOString() ?? null,
      last_exit: observed.lastExit,
      crashes: crashes && { count: crashes.count, since: crashes.since, last_at: crashes.last_at },
      created_at: spec.createdAt,
      db_path: dataDirOf(spec.directory),
      pocketbase_version: this.version,
      pinned_version: spec.pinnedVersion,
      probe: this.probe,
      usage: this.#usage,
      limits: spec.limits(),
      developer: spec.isDeveloper(),
      access: spec.access(),
      applications: spec.applications(),
      sandbox: observed.pid === null ? null : observed.sandbox,
      node: this.#node,
    };
  }

  #wake(): void {
    for (const wake of this.#watchers) wake();
  }
}
