import { expect, it } from 'vitest';
import { FathomError } from '../../shared/errors.ts';
import { ManualTime, settle } from '../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { randomFrom } from '../../test/helpers/random.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import { Cluster } from './cluster.ts';
import { ownersOf, parseOwner } from './records.ts';

const SEED = Number(process.env['FATHOM_CLUSTER_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const NODES = Number(process.env['FATHOM_CLUSTER_NODES'] ?? 100);
const FLEETS = Number(process.env['FATHOM_CLUSTER_FLEETS'] ?? 20);
const DATABASES = Number(process.env['FATHOM_CLUSTER_DATABASES'] ?? 2_000);
const STEPS = Number(process.env['FATHOM_CLUSTER_STEPS'] ?? 80);
const LEASE_SECONDS = 15;
const CONTROL_PLANE = 'global';
const LONGEST_STEP_MS = 6_000;
const LONGEST_RESTORE_MS = 4_000;

/** What is known on one clock: which node runs a database. */
class World {
  readonly clock = new ManualTime();
  readonly store = new MemoryStore(this.clock);
  readonly random: () => number;
  readonly violations: string[] = [];
  readonly counts = { takeovers: 0, moves: 0, refused: 0, restarts: 0 };
  readonly #writers = new Map<string, Node>();
  readonly #last = new Map<string, Node>();

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  noteStart(database: string, node: Node): void {
    const writer = this.#writers.get(database);
    if (writer !== undefined && writer !== node && writer.runs(database))
      this.violations.push(`${node.name} starts ${database}, which ${writer.name} runs`);
    if ((this.#last.get(database) ?? node) !== node) this.counts.takeovers += 1;
    this.#last.set(database, node);
    this.#writers.set(database, node);
  }

  writerOf(database: string): Node | null {
    const writer = this.#writers.get(database);
    return writer?.runs(database) ? writer : null;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.random() * items.length)];
    if (item === undefined) throw new Error('nothing to choose from');
    return item;
  }
}

/** A node that leads its fleet, or is a member of it. Its keeper ends the databases with the lease, also without the daemon. */
class Node {
  readonly name: string;
  readonly fleet: string;
  readonly #databases: readonly string[];
  readonly #world: World;
  readonly #running = new Set<string>();
  readonly #moving = new Set<string>();
  link: 'up' | 'down' | 'lossy' = 'up';
  isOn = false;
  #leaseUntil = Number.NEGATIVE_INFINITY;
  #cluster: Cluster | null = null;
  #coordinator: MemoryCoordinator | null = null;
  #isReady = false;
  #isWorking = false;
  /** Of the daemon. */
  #life = 0;
  #stopping = new AbortController();

  constructor(
    name: string,
    { fleet, databases, world }: { fleet: string; databases: readonly string[]; world: World },
  ) {
    this.name = name;
    this.fleet = fleet;
    this.#databases = databases;
    this.#world = world;
  }

  runs(database: string): boolean {
    if (this.#world.clock.monotonic() >= this.#leaseUntil) this.#running.clear();
    return this.#running.has(database);
  }

  /** The daemon starts, on what an earlier one has left. */
  async start(): Promise<void> {
    if (this.isOn) return;
    this.isOn = true;
    this.#life += 1;
    const life = this.#life;
    const { store, clock } = this.#world;
    const isAlive = () => this.isOn && this.#life === life;
    this.#coordinator = new MemoryCoordinator(store, () => (isAlive() ? this.#fault() : 'before'));
    this.#stopping = new AbortController();
    const cluster = new Cluster({
      coordinator: this.#coordinator,
      cluster: 'simulation',
      facts: {
        node: this.name,
        machine: this.name,
        boot: this.name,
        takeover: true,
        secrets: 's',
        fleet: this.fleet,
        address: '10.0.0.1',
        version: '1.0.0',
        started_at: clock.now().toISOString(),
      },
      controlPlane: CONTROL_PLANE,
      leaseSeconds: LEASE_SECONDS,
      isFenced: true,
      mayFollow: true,
      writeEpoch: async () => {},
      stopping: this.#stopping.signal,
      clock,
      log: silentLog,
    });
    this.#cluster = cluster;
    try {
      await cluster.join({
        load: () => ({
          databases: this.#running.size,
          running: this.#running.size,
          load_1m: 0,
          processors: 1,
          memory_total_bytes: 1,
          memory_free_bytes: 1,
        }),
        onLost: (name) => {
          if (!isAlive()) return;
          this.#running.delete(this.#nameOf(name));
          if (name === CONTROL_PLANE) this.#restart();
        },
        onLease: (until) => {
          if (isAlive()) this.#leaseUntil = until;
        },
        onLeaseOver: () => {
          if (isAlive()) this.#running.clear();
        },
        prepareCopy: async () => {},
        receiveCopy: async (_copy, { accept }) => {
          await clock.sleep(this.#world.random() * LONGEST_RESTORE_MS);
          if (this.#world.random() < 0.1) throw new Error('other bytes');
          await accept();
        },
        onLeaderChanged: () => {
          if (isAlive()) this.#restart();
        },
      });
      await cluster.claimFleet(async (mayRun) => {
        for (const database of this.#running)
          if (isAlive() && !mayRun(database.slice(this.fleet.length + 1))) this.#running.delete(database);
      });
    } catch (error) {
      if (isAlive() && !(error instanceof FathomError)) throw error;
      if (isAlive()) this.crash();
      return;
    }
    if (!isAlive()) return;
    this.#isReady = true;
    if (cluster.share.leader === null) cluster.routes.set(CONTROL_PLANE, { state: 'open', port: 1 });
    const routed = cluster.routes.keep(this.#stopping.signal);
    await Promise.all([routed, this.work()]);
  }

  /** Starts what this node should run and does not, as the daemon does after back-off. */
  async work(): Promise<void> {
    const [cluster, life] = [this.#cluster, this.#life];
    if (cluster === null || !this.#isReady || this.#isWorking) return;
    this.#isWorking = true;
    const isLeader = cluster.share.leader === null;
    const names = isLeader
      ? [CONTROL_PLANE, ...this.#databases.filter((name) => cluster.share.elsewhere(name) === null)]
      : cluster.ownedNames();
    for (const name of names) {
      const database = this.#nameOf(name);
      if (this.runs(database) || this.#moving.has(database)) continue;
      const reason = await cluster.startProblem(name);
      if (!this.isOn || this.#life !== life) break;
      // A move can have begun meanwhile, and the lease can have ended.
      if (reason !== null || this.#moving.has(database) || this.#world.clock.monotonic() >= this.#leaseUntil)
        continue;
      this.#running.add(database);
      this.#world.noteStart(database, this);
    }
    for (const name of cluster.ownedNames()) {
      if (!this.isOn || this.#life !== life) break;
      const path = `${this.name}/${name}/e${cluster.ownershipOf(name)?.epoch}`;
      await cluster.recordReplica({ name, directory: '', path });
    }
    if (this.#life === life) this.#isWorking = false;
  }

  /** Gives one of its databases to another node of the fleet. */
  async moveOne(to: Node): Promise<void> {
    const cluster = this.#cluster;
    const database = [...this.#running].find(
      (one) => one !== this.#nameOf(CONTROL_PLANE) && !this.#moving.has(one),
    );
    if (cluster === null || !this.#isReady || database === undefined || to.fleet !== this.fleet) return;
    const name = database.slice(this.fleet.length + 1);
    const life = this.#life;
    try {
      await cluster.handovers.requireTarget(to.name);
      const source = cluster.ownershipOf(name)?.source ?? '';
      if (!this.isOn || this.#life !== life || !this.runs(database)) return;
      this.#moving.add(database);
      this.#running.delete(database);
      await cluster.handovers.handOver({ name, to: to.name, sha256: 'a', source }, this.#stopping.signal);
      this.#world.counts.moves += 1;
    } catch (error) {
      if (!(error instanceof FathomError)) throw error;
      this.#world.counts.refused += 1;
    } finally {
      if (this.#life === life) this.#moving.delete(database);
    }
  }

  /** The server loses its power. */
  crash(): void {
    this.killDaemon();
    this.#running.clear();
    this.#leaseUntil = Number.NEGATIVE_INFINITY;
  }

  /** Its databases run on. */
  killDaemon(): void {
    this.isOn = false;
    this.#isReady = false;
    this.#isWorking = false;
    this.#life += 1;
    this.#moving.clear();
    this.#stopping.abort();
    void this.#cluster?.leave('leave', null);
    this.#cluster = null;
  }

  /** An instance crashes, and is started again. */
  endOne(): void {
    const [database] = this.#running;
    if (database !== undefined) this.#running.delete(database);
  }

  hear(): void {
    this.#coordinator?.deliver();
  }

  /** Within the process, when the control plane is on another node. */
  #restart(): void {
    this.#world.counts.restarts += 1;
    this.killDaemon();
    void this.start();
  }

  #nameOf(name: string): string {
    return `${this.fleet}/${name}`;
  }

  #fault(): 'before' | 'after' | null {
    if (this.link === 'down') return 'before';
    if (this.link === 'up') return null;
    const chance = this.#world.random();
    return chance < 0.15 ? 'before' : chance < 0.3 ? 'after' : null;
  }
}

it(`moves and takes over databases of members, each on one node, and converges (seed ${SEED})`, async () => {
  const world = new World(SEED);
  const perFleet = Math.ceil(DATABASES / FLEETS);
  const names = Array.from(
    { length: perFleet },
    (_, n) => `2026-01-15-${String(n + 1).padStart(3, '0')}-user`,
  );
  const nodes = Array.from(
    { length: NODES },
    (_, n) => new Node(`n${n}`, { fleet: `fleet-${n % FLEETS}`, databases: names, world }),
  );
  const work: Promise<void>[] = nodes.slice(0, FLEETS).map((node) => node.start());
  await world.clock.advance(LEASE_SECONDS * 1_000);
  work.push(...nodes.slice(FLEETS).map((node) => node.start()));
  await world.clock.advance(LEASE_SECONDS * 1_000);

  for (let step = 0; step < STEPS; step += 1) {
    for (let fault = 0; fault < NODES / 20; fault += 1) {
      const node = world.pick(nodes);
      const chance = world.random();
      if (chance < 0.15) node.crash();
      else if (chance < 0.25) node.killDaemon();
      else if (chance < 0.35) node.link = 'down';
      else if (chance < 0.5) node.link = 'lossy';
      else if (chance < 0.6) node.endOne();
    }
    for (const other of nodes) {
      if (!other.isOn && world.random() < 0.1) work.push(other.start());
      if (other.link !== 'up' && world.random() < 0.2) {
        other.link = 'up';
        other.hear();
      }
      if (world.random() < 0.3)
        work.push(other.moveOne(world.pick(nodes.filter(({ fleet }) => fleet === other.fleet))));
      work.push(other.work());
    }
    await world.clock.advance(Math.floor(world.random() * LONGEST_STEP_MS));
    expect(world.violations).toEqual([]);
  }

  for (const node of nodes) {
    node.link = 'up';
    node.hear();
    work.push(node.start());
  }
  // Longer than an offer waits for its answer.
  for (let lease = 0; lease < 16; lease += 1) {
    await world.clock.advance(LEASE_SECONDS * 1_000);
    for (const node of nodes) work.push(node.work());
  }
  await settle();

  expect(world.violations).toEqual([]);
  const wrong: string[] = [];
  for (let fleet = 0; fleet < FLEETS; fleet += 1)
    for (const name of [CONTROL_PLANE, ...names]) {
      const entry = world.store.entries.get(ownersOf(`fleet-${fleet}`) + name);
      const owner = entry === undefined ? null : parseOwner(entry);
      const writer = world.writerOf(`fleet-${fleet}/${name}`);
      if (owner === null || owner.handover !== undefined || writer?.name !== owner.node)
        wrong.push(`${entry?.key}: ${entry?.value}, runs on ${writer?.name}`);
    }
  expect(wrong).toEqual([]);
  expect(world.counts.takeovers).toBeGreaterThan(FLEETS);
  expect(world.counts.moves).toBeGreaterThan(FLEETS);
  expect(world.counts.refused).toBeGreaterThan(0);
  expect(world.counts.restarts).toBeGreaterThan(0);
  for (const node of nodes) node.crash();
  await world.clock.advance(LEASE_SECONDS * 20_000);
  await Promise.all(work);
});
