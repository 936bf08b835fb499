import { expect, it } from 'vitest';
import { FathomError } from '../../shared/errors.ts';
import { ManualTime, settle } from '../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { randomFrom } from '../../test/helpers/random.ts';
import { createLog } from '../base/log/log.ts';
import { Cluster } from './cluster.ts';
import { nodeKey, OWNERS, ownersOf, parseOwner } from './records.ts';

const SEED = Number(process.env['FATHOM_CLUSTER_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const NODES = Number(process.env['FATHOM_CLUSTER_NODES'] ?? 100);
const DATABASES = Number(process.env['FATHOM_CLUSTER_DATABASES'] ?? 2_000);
const STEPS = Number(process.env['FATHOM_CLUSTER_STEPS'] ?? 400);
const LEASE_SECONDS = 15;
const CONTROL_PLANE = 'global';

const log = createLog({
  level: 'fatal',
  output: { sinks: [], losses: () => ({ dropped: 0, problem: null }) },
});

/** One server with a copy of a fleet. It runs what its rules let it start, also while it is cut off. */
class Server {
  readonly name: string;
  readonly fleet: string;
  readonly #databases: readonly string[];
  readonly #world: World;
  readonly running = new Set<string>();
  link: 'up' | 'down' | 'lossy' = 'up';
  isOn = false;
  /** Whether it runs nothing without a session. */
  readonly isFenced: boolean;
  #ownsFleet = false;
  #cluster: Cluster | null = null;
  #coordinator: MemoryCoordinator | null = null;
  #stopping = new AbortController();
  #life = 0;

  constructor(
    { name, fleet, isFenced }: { name: string; fleet: string; isFenced: boolean },
    databases: readonly string[],
    world: World,
  ) {
    this.name = name;
    this.fleet = fleet;
    this.isFenced = isFenced;
    this.#databases = databases;
    this.#world = world;
  }

  async start(): Promise<void> {
    if (this.isOn) return;
    this.isOn = true;
    this.#life += 1;
    const life = this.#life;
    const { store, clock } = this.#world;
    const isAlive = () => this.isOn && this.#life === life;
    const coordinator = new MemoryCoordinator(store, () => (isAlive() ? this.#fault() : 'before'));
    this.#coordinator = coordinator;
    this.#stopping = new AbortController();
    const cluster = new Cluster({
      coordinator,
      cluster: 'simulation',
      facts: {
        node: this.name,
        machine: this.name,
        boot: this.name,
        takeover: this.isFenced,
        secrets: '',
        fleet: this.fleet,
        address: '10.0.0.1',
        version: '1.0.0',
        started_at: clock.now().toISOString(),
      },
      controlPlane: CONTROL_PLANE,
      leaseSeconds: LEASE_SECONDS,
      isFenced: this.isFenced,
      writeEpoch: async () => {},
      stopping: this.#stopping.signal,
      clock,
      log,
    });
    this.#cluster = cluster;
    try {
      await cluster.join({
        load: () => ({
          databases: this.#databases.length,
          running: this.running.size,
          load_1m: 0,
          processors: 1,
          memory_total_bytes: 1,
          memory_free_bytes: 1,
        }),
        onLost: (name) => (name === CONTROL_PLANE ? this.crash() : this.#end(name)),
        onLease: () => {},
        onLeaseOver: () => this.#endAll(),
        prepareCopy: async () => {},
      });
      await cluster.claimFleet(async () => {});
      cluster.share.beginPlacing();
    } catch (error) {
      if (isAlive() && !(error instanceof FathomError)) throw error;
      if (isAlive()) this.crash();
      return;
    }
    if (!isAlive()) return;
    this.#ownsFleet = true;
    await this.startMissing();
  }

  /** As the daemon does after back-off. */
  async startMissing(): Promise<void> {
    const [cluster, life] = [this.#cluster, this.#life];
    if (cluster === null || !this.#ownsFleet) return;
    for (const name of [CONTROL_PLANE, ...this.#databases]) {
      if (this.running.has(name)) continue;
      const reason = await cluster.startProblem(name);
      if (!this.isOn || this.#life !== life) return;
      if (reason !== null) continue;
      this.#begin(name);
      const path = `${this.name}/${name}/e${cluster.ownershipOf(name)?.epoch}`;
      if (this.isFenced) await cluster.recordReplica({ name, directory: '', path });
      if (!this.isOn || this.#life !== life) return;
    }
  }

  /** The server loses its power. */
  crash(): void {
    this.isOn = false;
    this.#ownsFleet = false;
    this.#stopping.abort();
    this.#endAll();
    void this.#cluster?.leave('leave', null);
    this.#cluster = null;
  }

  /** An instance crashes, and is started again. */
  restartOne(): void {
    const name = [...this.running].at(-1);
    if (name === undefined || name === CONTROL_PLANE) return;
    this.#end(name);
  }

  hear(): void {
    this.#coordinator?.deliver();
  }

  async remove(node: string): Promise<void> {
    try {
      await this.#cluster?.remove(node);
    } catch (error) {
      if (!(error instanceof FathomError)) throw error;
    }
  }

  #begin(name: string): void {
    this.running.add(name);
    this.#world.noteStart(`${this.fleet}/${name}`, this.name);
  }

  #endAll(): void {
    for (const name of this.running) this.#end(name);
  }

  #end(name: string): void {
    this.running.delete(name);
    this.#world.noteEnd(`${this.fleet}/${name}`, this.name);
  }

  #fault(): 'before' | 'after' | null {
    if (this.link === 'down') return 'before';
    if (this.link === 'up') return null;
    const chance = this.#world.random();
    return chance < 0.15 ? 'before' : chance < 0.3 ? 'after' : null;
  }
}

/** What is known on one clock: which servers run a database. */
class World {
  readonly clock = new ManualTime();
  readonly store = new MemoryStore(this.clock);
  readonly random: () => number;
  readonly violations: string[] = [];
  starts = 0;
  /** Starts on another server than the last. */
  moves = 0;
  readonly #lastWriters = new Map<string, string>();
  readonly #writers = new Map<string, string>();

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  noteStart(database: string, server: string): void {
    this.starts += 1;
    const last = this.#lastWriters.get(database);
    if (last !== undefined && last !== server) this.moves += 1;
    this.#lastWriters.set(database, server);
    const writer = this.#writers.get(database);
    if (writer !== undefined && writer !== server)
      this.violations.push(`${server} starts ${database}, which ${writer} runs`);
    this.#writers.set(database, server);
  }

  noteEnd(database: string, server: string): void {
    if (this.#writers.get(database) === server) this.#writers.delete(database);
  }

  writerOf(database: string): string | undefined {
    return this.#writers.get(database);
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)];
  }
}

it(`never names two owners, and converges (seed ${SEED})`, async () => {
  const world = new World(SEED);
  // A third of the servers has a copy of the data of another one.
  const fleets = Math.ceil((NODES * 2) / 3);
  const perFleet = Math.ceil(DATABASES / fleets);
  const names = Array.from({ length: perFleet }, (_, n) => `2026-01-15-${n}-user`);
  const servers = Array.from(
    { length: NODES },
    (_, n) =>
      new Server(
        { name: `n${n}`, fleet: `fleet-${n % fleets}`, isFenced: (n % fleets) % 2 === 0 },
        names,
        world,
      ),
  );
  const work: Promise<void>[] = servers.map((server) => server.start());
  await world.clock.advance(LEASE_SECONDS * 2_000);

  for (let step = 0; step < STEPS; step += 1) {
    const server = world.pick(servers);
    const other = world.pick(servers);
    const chance = world.random();
    if (server === undefined || other === undefined) throw new Error('no servers');
    if (chance < 0.2) server.crash();
    else if (chance < 0.45) work.push(server.start());
    else if (chance < 0.55) server.link = 'down';
    else if (chance < 0.65) server.link = 'lossy';
    else if (chance < 0.8) {
      server.link = 'up';
      server.hear();
    } else if (chance < 0.9) server.restartOne();
    // An administrator removes only servers that are off, for which Fathom takes their word.
    else if (!server.isOn) work.push(other.remove(server.name));
    work.push(server.startMissing());
    await world.clock.advance(Math.floor(world.random() * 6_000));
    expect(world.violations).toEqual([]);
    world.store.expire();
    const unseen = servers.filter(
      ({ name, isFenced, running }) =>
        isFenced && running.size > 0 && !world.store.entries.has(nodeKey(name)),
    );
    expect(unseen.map(({ name }) => name)).toEqual([]);
  }

  for (const server of servers) {
    server.link = 'up';
    server.hear();
    work.push(server.start());
  }
  await world.clock.advance(LEASE_SECONDS * 4_000);
  for (const server of servers) {
    server.hear();
    work.push(server.startMissing());
  }
  await world.clock.advance(LEASE_SECONDS * 4_000);
  await settle();

  expect(world.violations).toEqual([]);
  for (let fleet = 0; fleet < fleets; fleet += 1) {
    const prefix = ownersOf(`fleet-${fleet}`);
    for (const name of [CONTROL_PLANE, ...names]) {
      const entry = world.store.entries.get(prefix + name);
      const owner = entry === undefined ? null : parseOwner(entry).node;
      expect(owner, `${prefix}${name}`).not.toBeNull();
      expect(world.writerOf(`fleet-${fleet}/${name}`), `${prefix}${name}`).toBe(owner);
    }
  }
  expect(world.moves).toBeGreaterThan(DATABASES / 40);
  const owned = [...world.store.entries.keys()].filter((key) => key.startsWith(OWNERS));
  expect(owned).toHaveLength(fleets * (perFleet + 1));
  for (const server of servers) server.crash();
  await world.clock.advance(LEASE_SECONDS * 4_000);
  await Promise.all(work);
});
