import type { Instance, PhaseReason } from '../../shared/api/instances.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { FleetEvent } from '../../shared/events.ts';
import { INSTANCE_PHASES, type InstancePhase, type WakeCause } from '../../shared/instance.ts';
import type { HealthSnapshot } from '../../shared/server-frames.ts';
import type { Logger } from '../base/log/log.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { Clock } from '../base/time/clock.ts';
import type { EventBus } from '../events/bus.ts';
import { CONCURRENT_STARTS } from '../pocketbase/process/command.ts';
import type { Prober } from '../pocketbase/process/probe.ts';
import type { FoundProcess, ProcessDriver } from '../pocketbase/process/process-driver.ts';
import type { MemoryGuard } from './health/memory-guard.ts';
import { Sampler, type SampleTarget } from './health/sampler.ts';
import type { InstanceFiles } from './instance-files.ts';
import type { InstanceSpec } from './instance-spec.ts';
import type { InstanceState } from './instance-state.ts';
import type { RestartSettings } from './restart-policy.ts';
import { Runner, type RunnerDeps } from './runner.ts';
import { openEarly, openPorts, sendCommands } from './sleep/open-ports.ts';
import type { PortMoves } from './start/port-moves.ts';
import type { PortAllocator } from './start/ports.ts';
import { endFound } from './start/terminate.ts';

/** Longer than the grace period of a stop. A process that takes longer is waiting for its files to be saved. */
const END_TIMEOUT_MS = 30_000;
/** Phases that end a wait for the phase `running`. */
const START_ENDED: ReadonlySet<InstancePhase> = new Set(['running', 'failed', 'backing_off', 'stopped']);

export interface FleetDeps {
  driver: ProcessDriver;
  ports: PortAllocator;
  moves: Pick<PortMoves, 'last' | 'record' | 'forget'>;
  probe: Prober;
  clock: Clock;
  bus: EventBus;
  log: Logger;
  random: () => number;
  /** Read at each failure: a reload changes them. */
  settings: { restarts: RestartSettings };
  /** The name of this node in its cluster. */
  node?: string | null;
  healthIntervalMs: number;
  memory: MemoryGuard;
  stopGraceMs: number;
  files: InstanceFiles;
}

/** All instances, with one runner each. They share the start slots and the ports. */
export class Fleet {
  readonly #deps: FleetDeps;
  /** One object for all runners. */
  readonly #runnerDeps: RunnerDeps;
  readonly #runners = new Map<string, Runner>();
  readonly #withProcess = new Set<Runner>();
  /** All runners by name; null after a change. */
  #sorted: readonly Runner[] | null = null;
  readonly #starts = new Semaphore(CONCURRENT_STARTS);
  readonly #sampler: Sampler;

  constructor(deps: FleetDeps) {
    this.#deps = deps;
    this.#runnerDeps = {
      ...deps,
      starts: this.#starts,
      publish: (event: FleetEvent) => {
        if (event.kind === 'instance.changed' || event.kind === 'instance.phase')
          this.#noteProcess(event.name);
        deps.bus.publish(event);
      },
    };
    this.#sampler = new Sampler(deps.clock);
    deps.driver.onRing((port) => this.#ring(port));
    deps.driver.onLost(() => void this.#reopenPorts());
  }

  /** Opens the ports of all instances that sleep or wait for their start. `sendCommands` is to follow. */
  openPorts(): Promise<void> {
    return openPorts(this.runners(), this.#deps.driver);
  }

  /** Opens the ports of instances that `openPorts` will open, or that have them. Never rejects. */
  openEarly(runners: readonly Runner[]): Promise<void> {
    return openEarly(runners, this.#deps.driver);
  }

  /**
   * Tells the keeper how to start instances that sleep.
   *
   * @param options.canSleep false for one whose start changes its files, or shows a problem of them; it is started
   */
  sendCommands(options: Parameters<typeof sendCommands>[2]): Promise<void> {
    return sendCommands(this.runners(), this.#deps.driver, options);
  }

  /** The next keeper has no sockets of sleeping instances. */
  async #reopenPorts(): Promise<void> {
    try {
      await this.openPorts();
      await this.sendCommands({ canSleep: () => true });
    } catch (error) {
      // It has ended too, which is reported again.
      this.#deps.log.warn(`cannot tell the keeper how to start sleeping databases: ${messageOf(error)}`);
    }
  }

  /** Counts instances that were woken while no daemon ran. @returns the names of those that could not be started then */
  async countMissedWakes(): Promise<ReadonlySet<string>> {
    const { driver, ports, bus } = this.#deps;
    const { wakes, failed } = await driver.absence();
    for (const { port, count, at } of wakes) {
      const name = ports.ownerOf(port);
      if (name === null) continue;
      for (let wake = 0; wake < count; wake += 1)
        bus.publish({ kind: 'instance.wake', name, by: 'connection', at });
    }
    return new Set(failed.flatMap((port) => ports.ownerOf(port) ?? []));
  }

  /** A connection waits at the port of a sleeping instance. */
  #ring(port: number): void {
    const name = this.#deps.ports.ownerOf(port);
    const runner = name === null ? null : this.#runners.get(name);
    if (runner?.wake() === true) this.#noteWake(runner, 'connection');
  }

  #noteWake({ spec: { name } }: Runner, by: WakeCause): void {
    const at = this.#deps.clock.now().toISOString();
    this.#deps.bus.publish({ kind: 'instance.wake', name, by, at });
  }

  /**
   * Wakes an instance and waits until it runs. Does nothing to one that is awake.
   *
   * @throws FathomError `instance.failed` with the reason
   */
  async wake(name: string, by: WakeCause, timeoutMs = 60_000): Promise<Instance> {
    const runner = this.get(name);
    if (runner.wake()) this.#noteWake(runner, by);
    if (runner.state.observed.desired === 'stopped') return runner.state.view();
    return this.#untilRunning(runner, timeoutMs);
  }

  /**
   * Lets an instance sleep until the next connection.
   *
   * @param closeQuiet closes connections without a request in progress
   * @throws FathomError `conflict` when it is in use or does not run
   */
  async sleep(name: string, why: PhaseReason, closeQuiet = false): Promise<Instance> {
    const runner = this.get(name);
    const { state } = runner;
    if (state.phase === 'asleep') return state.view();
    const problem = await runner.sleep(why, closeQuiet);
    if (problem !== null) throw new FathomError('conflict', `${name} cannot sleep now: ${problem}`);
    await state.until(
      () => state.phase !== 'running' && state.phase !== 'stopping',
      AbortSignal.timeout(END_TIMEOUT_MS),
    );
    return state.view();
  }

  /**
   * Adds an instance without starting it. Returns the existing runner when the name is known.
   *
   * @param lastPort the port in its row; it has none when another instance has this port, or when the range was moved
   */
  add(spec: InstanceSpec, lastPort: number | null): Runner {
    const known = this.#runners.get(spec.name);
    if (known) return known;
    const keepsPort =
      lastPort !== null && (this.#deps.ports.reserve(spec.name, lastPort) || 'fixed' in spec.port);
    const runner = new Runner(spec, this.#runnerDeps, keepsPort ? lastPort : null);
    this.#runners.set(spec.name, runner);
    this.#sorted = null;
    this.#deps.bus.publish({
      kind: 'instance.added',
      get instance() {
        return runner.state.view();
      },
    });
    return runner;
  }

  /**
   * Stops an instance and removes it.
   *
   * @param options.keepsPort its port stays its own, and is closed
   */
  async remove(name: string, { keepsPort = false } = {}): Promise<void> {
    const runner = this.#runners.get(name);
    if (!runner) return;
    await runner.close('stop');
    await this.#deps.files.release(runner.spec.directory);
    this.#runners.delete(name);
    this.#withProcess.delete(runner);
    this.#sorted = null;
    if (keepsPort) this.#deps.ports.close(name);
    else this.#deps.ports.release(name);
    this.#deps.moves.forget(name);
    this.#sampler.remove(name);
    this.#deps.bus.publish({ kind: 'instance.removed', name });
  }

  get size(): number {
    return this.#runners.size;
  }

  find(name: string): Runner | null {
    return this.#runners.get(name) ?? null;
  }

  /** @throws FathomError `not_found` */
  get(name: string): Runner {
    const runner = this.#runners.get(name);
    if (!runner) throw new FathomError('not_found', `there is no database named '${name}'`);
    return runner;
  }

  /** Lists the instances that match. Views are built for those only. */
  list(matches: (runner: Runner) => boolean = () => true): Instance[] {
    return this.runners(matches).map(({ state }) => state.view());
  }

  runners(matches: (runner: Runner) => boolean = () => true): Runner[] {
    // Most of thousands do not match: a copy of all would be garbage.
    const found: Runner[] = [];
    for (const runner of this.#runners.values()) if (matches(runner)) found.push(runner);
    return found;
  }

  /** All runners, sorted by name. */
  sortedRunners(): readonly Runner[] {
    this.#sorted ??= this.runners().toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
    return this.#sorted;
  }

  /** The pids of all processes that this daemon knows. */
  pids(): Set<number> {
    return new Set(this.withProcess().flatMap(({ state }) => state.observed.pid ?? []));
  }

  /** Records a measured size, which the next samples show. */
  recordDiskBytes(name: string, bytes: number): void {
    this.#sampler.recordDiskBytes(name, bytes);
  }

  /** Instances with a process. Most of thousands have none, and callers ask several times per second. */
  withProcess(): Runner[] {
    return Array.from(this.#withProcess);
  }

  #noteProcess(name: string): void {
    const runner = this.#runners.get(name);
    if (!runner) return;
    if (runner.state.observed.pid === null) this.#withProcess.delete(runner);
    else this.#withProcess.add(runner);
  }

  /** The probes and usage of instances that have some. Most of thousands have no process. */
  health(matches: (runner: Runner) => boolean = () => true): HealthSnapshot['instances'] {
    const measured = this.runners(
      (runner) => (runner.state.probe !== null || runner.state.usage !== null) && matches(runner),
    );
    return Object.fromEntries(
      measured.map(({ spec, state }) => [spec.name, { probe: state.probe, usage: state.usage }]),
    );
  }

  /** The version of PocketBase of each instance, asleep or not. */
  versions(): { name: string; version: string }[] {
    return [...this.#runners].map(([name, { state }]) => ({ name, version: state.version }));
  }

  countByPhase(): Record<InstancePhase, number> {
    const counts = Object.fromEntries(INSTANCE_PHASES.map((phase) => [phase, 0])) as Record<
      InstancePhase,
      number
    >;
    for (const { state } of this.#runners.values()) counts[state.phase] += 1;
    return counts;
  }

  /**
   * Starts an instance and waits until it runs.
   *
   * @throws FathomError `instance.failed` with the reason
   */
  async start(
    name: string,
    options: { force: boolean; adopt?: FoundProcess },
    timeoutMs = 60_000,
  ): Promise<Instance> {
    const runner = this.get(name);
    runner.start(options);
    return this.#untilRunning(runner, timeoutMs);
  }

  /** Ends a process of an earlier daemon that is not taken over. */
  endFound(found: FoundProcess, stopSaving?: AbortSignal): Promise<void> {
    return endFound(found, this.#deps, {
      graceMs: this.#deps.stopGraceMs,
      ...(stopSaving && { stopSaving }),
    });
  }

  /** @throws FathomError `conflict` when it is started again in the meantime, `instance.failed` when its files cannot be saved yet */
  async stop(name: string): Promise<Instance> {
    const runner = this.get(name);
    const { state } = runner;
    runner.stop();
    const ended = await state.until(
      () => state.phase === 'stopped' || state.observed.desired === 'running',
      AbortSignal.timeout(END_TIMEOUT_MS),
    );
    if (!ended) {
      throw new FathomError(
        'instance.failed',
        `${name} does not stop: ${state.reason?.message ?? state.phase}`,
      );
    }
    if (state.phase !== 'stopped') {
      throw new FathomError('conflict', `${name} was started again while it was being stopped`);
    }
    return state.view();
  }

  /** @throws FathomError `instance.failed` with the reason when it does not run again */
  async restart(name: string, why: PhaseReason | null = null): Promise<Instance> {
    const runner = this.get(name);
    const before = runner.state.observed.pid;
    runner.restart(why);
    const signal = AbortSignal.timeout(END_TIMEOUT_MS);
    if (before !== null) await runner.state.until(() => runner.state.observed.pid !== before, signal);
    return this.#untilRunning(runner, 60_000);
  }

  async #untilRunning(runner: Runner, timeoutMs: number): Promise<Instance> {
    const { state, spec } = runner;
    const ended = await state.until(
      () =>
        START_ENDED.has(state.phase) && (state.phase !== 'stopped' || state.observed.desired === 'stopped'),
      AbortSignal.timeout(timeoutMs),
    );
    if (state.phase === 'running') return state.view();
    const timedOut = `not running after ${timeoutMs / 1000} s`;
    const reason = state.reason?.message ?? (ended ? state.phase : timedOut);
    const next = state.phase === 'backing_off' ? this.#nextAttempt(state) : '';
    throw new FathomError('instance.failed', `${spec.name}: ${reason}${next}`);
  }

  #nextAttempt({ observed: { nextAttemptAt } }: InstanceState): string {
    const delayMs = (nextAttemptAt?.getTime() ?? 0) - this.#deps.clock.now().getTime();
    return delayMs < 1_000
      ? ' (Fathom will retry)'
      : ` (Fathom will retry within ${Math.ceil(delayMs / 1_000)} s)`;
  }

  /** Samples and publishes the resource usage of every running instance. */
  async sample(): Promise<void> {
    for (const { state } of this.#runners.values()) state.endCrashes();
    const targets: SampleTarget[] = [];
    for (const { spec, state } of this.withProcess()) {
      const { pid, port } = state.observed;
      if (pid !== null && port !== null)
        targets.push({ name: spec.name, pid, port, directory: spec.directory });
    }
    for await (const [name, usage] of this.#sampler.sample(targets)) {
      this.#runners.get(name)?.state.recordUsage(usage);
    }
  }

  /**
   * Ends the supervision.
   *
   * @param how `stop` stops all instances, the global one last because the others report to it; `leave` keeps all processes
   *   running; `undo`, for a failed start of the daemon, keeps adopted user instances running and stops all others
   */
  async close(how: 'stop' | 'leave' | 'undo'): Promise<void> {
    const runners = [...this.#runners.values()];
    for (const kind of ['user', 'global']) {
      await Promise.all(
        runners
          .filter(({ spec }) => spec.kind === kind)
          .map((runner) => runner.close(how === 'undo' ? endAfterFailedStart(runner) : how)),
      );
    }
  }
}

/** The global instance is always stopped, because it may be the reason of the failed start. */
function endAfterFailedStart({ spec, state, isAdopted }: Runner): 'stop' | 'leave' {
  return spec.kind === 'user' && (isAdopted || state.phase === 'asleep') ? 'leave' : 'stop';
}
