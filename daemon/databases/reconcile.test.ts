import { beforeEach, expect, it } from 'vitest';
import type { DatabaseRow } from '../../shared/hooks/control-plane-routes.ts';
import { FakeDriver } from '../../test/helpers/fake-driver.ts';
import { ManualTime, settle } from '../../test/helpers/manual-time.ts';
import { NO_FILES, NO_MOVES } from '../../test/helpers/runner-stage.ts';
import { scratch } from '../../test/helpers/scratch.ts';
import type { Plans } from '../accounts/plans/plans.ts';
import type { UserRepository } from '../accounts/user-repository.ts';
import { createLog } from '../base/log/log.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import { EventBus } from '../events/bus.ts';
import { Fleet } from '../supervisor/fleet.ts';
import { MemoryGuard } from '../supervisor/health/memory-guard.ts';
import { PortAllocator } from '../supervisor/start/ports.ts';
import { Catalog, type CatalogDeps, type CatalogEntry } from './catalog.ts';
import type { DatabaseRepository, ListedDatabases } from './database-repository.ts';
import type { FleetShare } from './elsewhere/fleet-share.ts';
import { DatabaseLifecycle } from './lifecycle.ts';
import type { Provisioner } from './provisioning/provisioner.ts';
import { type ReconcileDeps, Reconciler } from './reconcile.ts';

const NAMES = ['2026-01-15-001-ann', '2026-01-15-002-ben'] as const;

const NOW = '2026-01-15 12:00:00.000Z';
const LONG_AGO = '2026-01-15 11:00:00.000Z';

type Row = DatabaseRow & { email: string | null };

/** Rows of the control plane. A test can delay a list of them. */
class Rows {
  readonly rows = new Map<string, Row>();
  #arrival: Promise<void> = Promise.resolve();

  constructor() {
    for (const [index, name] of NAMES.entries()) {
      this.rows.set(name, {
        id: name,
        name,
        user: `user${index}`,
        state: 'ready',
        desired: 'running',
        port: 0,
        memory_mb: 0,
        disk_mb: 0,
        sleep_after: 0,
        developer: false,
        pocketbase_version: '',
        applications: 'documents',
        superuser_secret: '',
        created: '2026-01-15 10:00:00.000Z',
        email: null,
      });
    }
  }

  /** Delays the next lists until the returned function is called. They have the rows of the time of the request. */
  delay(): () => void {
    const arrival = Promise.withResolvers<void>();
    this.#arrival = arrival.promise;
    return () => arrival.resolve();
  }

  /** The times at which rows changed. */
  readonly changedAt = new Map<string, string>();
  /** What was asked for. */
  readonly lists: (string | undefined)[] = [];

  async list(since?: string): Promise<ListedDatabases> {
    this.lists.push(since);
    const all = [...this.rows.values()].map((row) => ({ ...row }));
    await this.#arrival;
    const rows = all.filter(({ name }) => since === undefined || (this.changedAt.get(name) ?? '9') >= since);
    return { at: NOW, count: all.length, rows };
  }

  async *pages(): AsyncGenerator<ListedDatabases> {
    yield await this.list();
  }

  update(id: string, changes: Partial<Row>): Promise<void> {
    Object.assign(this.rows.get(id) ?? {}, changes);
    return Promise.resolve();
  }

  /** As the unique index. */
  setPort(id: string, port: number): Promise<boolean> {
    const isNamed = [...this.rows.values()].some((row) => row.port === port && port > 0 && row.id !== id);
    if (!isNamed) Object.assign(this.rows.get(id) ?? {}, { port });
    return Promise.resolve(!isNamed);
  }

  listFreedPorts(): Promise<number[]> {
    return Promise.resolve([]);
  }

  delete(id: string): Promise<void> {
    this.rows.delete(id);
    return Promise.resolve();
  }
}

let rows: Rows;
let catalog: Catalog;
let fleet: Fleet;
let lifecycle: DatabaseLifecycle;
let reconciler: Reconciler;
let deps: ReconcileDeps;
let gained: string[];
let share: FleetShare & { leader: { node: string } | null; others: Map<string, string> };

beforeEach(async () => {
  const directory = await scratch();
  rows = new Rows();
  gained = [];
  share = {
    leader: null,
    others: new Map(),
    elsewhere: (name) => {
      const node = share.others.get(name);
      const place = { address: '10.0.0.2', route: () => null, locate: async () => null };
      return node === undefined ? null : { node, ...place };
    },
    onOwners: () => () => {},
    onRoutes: () => () => {},
  };
  const repository = rows as unknown as DatabaseRepository;
  const time = new ManualTime();
  const log = createLog({ level: 'silent' });
  const driver = new FakeDriver(time, () => ({ kind: 'serves', afterMs: 1 }));
  const ports = new PortAllocator({
    host: '127.0.0.1',
    base: 9000,
    range: 10,
    sockets: { hold: () => Promise.resolve(true), release: () => {} },
  });
  fleet = new Fleet({
    driver,
    ports,
    moves: NO_MOVES,
    probe: driver.probe,
    clock: time,
    bus: new EventBus(() => {}),
    log,
    random: () => 0.5,
    settings: { restarts: { baseMs: 500, capMs: 300_000, maxAttempts: 10 } },
    healthIntervalMs: 30_000,
    memory: new MemoryGuard(time, { ofProcess: () => null, available: () => 0 }),
    stopGraceMs: 1_000,
    files: NO_FILES,
  });
  const binary = { path: '', version: '0', sha256: 'abc', embedded: true, stamp: '' };
  const binaries = {
    fleet: binary,
    of: () => binary,
    versionOf: () => null,
    problemOf: () => Promise.resolve(null),
  };
  catalog = new Catalog({
    fleet,
    ports,
    repository,
    masterKeys: [],
    config: {
      pbEncryptionKey: new Uint8Array(32),
      previousPbEncryptionKey: null,
      ownerAccess: { access: 'app', allowedTargets: [] },
    },
    plans: { databaseLimitsOf: () => ({ memory_mb: null, disk_mb: null, sleep_after: 0 }) },
    guard: {},
    binaries,
    templates: { prepare: () => Promise.resolve(), of: () => ({ current: null }) },
    clock: time,
    log,
    accounts: { beforeStart: () => null, changed: () => {} },
    settings: {
      userDatabasesDir: directory,
      instanceLogsDir: directory,
      logLimits: { dir: null, level: 'info', retentionMs: 1, maxBytes: 1 },
    },
    urlElsewhere: (_name: string, port: number, address: string) => `http://${address}:${port}`,
  } as unknown as CatalogDeps);
  const provisioner = { settled: () => Promise.resolve() } as unknown as Provisioner;
  const users = { listWithoutDatabase: () => Promise.resolve([]) } as unknown as UserRepository;
  const plans = { load: () => Promise.resolve() } as unknown as Plans;
  const templates = { refresh: () => Promise.resolve() };
  const trash = { noteErased: (id: string) => rows.delete(id) };
  lifecycle = new DatabaseLifecycle({
    catalog,
    fleet,
    trash,
    provisioner,
    clock: time,
    binaries,
    templates,
    log,
  });
  const settings: Pick<LiveSettings, 'signUps'> = { signUps: { mode: 'open', maxDatabases: null } };
  deps = {
    catalog,
    fleet,
    ports,
    repository,
    users,
    plans,
    provisioner,
    share,
    onGained: (userId) => gained.push(userId),
    settings,
    sleep: { isSupported: () => Promise.resolve(false), maySleep: () => false },
    binaries,
    applications: 'documents',
    hasPreviousKey: false,
    log,
  };
  reconciler = new Reconciler(deps);
  await reconciler.load();
});

const known = () => catalog.entries().map(({ row }) => row.name);

/** Reconciles with rows that were read before `work`. */
async function reconcileAround(work: () => Promise<unknown>): Promise<void> {
  const arrive = rows.delay();
  const caughtUp = reconciler.catchUp();
  await settle();
  await work();
  arrive();
  await caughtUp;
}

it('does not register a database that was deleted after its row was read', async () => {
  await reconcileAround(() => lifecycle.delete(NAMES[0]));
  expect(known()).toEqual([NAMES[1]]);
  expect(fleet.find(NAMES[0])).toBeNull();
});

it('does not undo a deletion that is in progress when the rows arrive', async () => {
  let began: Promise<void> = Promise.resolve();
  const release = Promise.withResolvers<void>();
  rows.delete = async (id) => {
    await release.promise;
    rows.rows.delete(id);
  };
  await reconcileAround(async () => {
    began = lifecycle.delete(NAMES[0]);
    await settle();
  });
  expect(catalog.get(NAMES[0]).row).toMatchObject({ state: 'deleting', desired: 'stopped' });
  release.resolve();
  await began;
  expect(known()).toEqual([NAMES[1]]);
});

it('does not undo a stop after the row was read', async () => {
  await reconcileAround(() => lifecycle.stop(NAMES[0]));
  expect(catalog.get(NAMES[0]).row.desired).toBe('stopped');
  expect(fleet.get(NAMES[0]).state.observed.desired).toBe('stopped');
});

it('does not stop a database that was created after the rows were read', async () => {
  const row = { ...(rows.rows.get(NAMES[0]) as Row), id: 'new', name: '2026-01-15-003-eve', user: 'user3' };
  let entry: CatalogEntry | null = null;
  await reconcileAround(() => {
    rows.rows.set(row.name, row);
    entry = catalog.register(row, null);
    return Promise.resolve();
  });
  expect(catalog.find(row.name)).toBe(entry);
});

it('applies an edited row and stops a database without a row', async () => {
  rows.rows.delete(NAMES[0]);
  Object.assign(rows.rows.get(NAMES[1]) ?? {}, { desired: 'stopped' });
  await reconciler.catchUp();
  expect(known()).toEqual([NAMES[1]]);
  expect(fleet.find(NAMES[0])).toBeNull();
  expect(fleet.get(NAMES[1]).state.observed.desired).toBe('stopped');
});

it('applies an edited version, between two processes', async () => {
  rows.changedAt.set(NAMES[0], NOW);
  Object.assign(rows.rows.get(NAMES[0]) ?? {}, { pocketbase_version: '0.40.6' });
  await reconciler.catchUp();
  expect(fleet.get(NAMES[0]).state.view()).toMatchObject({ phase: 'stopped', pinned_version: '0.40.6' });
  expect(fleet.get(NAMES[1]).state.view()).toMatchObject({ pinned_version: null });
});

it('pins no database while it is maintained', async () => {
  const release = Promise.withResolvers<void>();
  const { runner } = catalog.get(NAMES[0]);
  const maintained = runner.maintain(() => release.promise, { code: 'requested', message: 'a change' });
  await expect(lifecycle.pin(NAMES[0], '0.40.6')).rejects.toMatchObject({ code: 'conflict' });
  expect(rows.rows.get(NAMES[0])?.pocketbase_version).toBe('');
  release.resolve();
  await maintained;
  expect(await lifecycle.pin(NAMES[0], '0.40.6')).toMatchObject({ pinned_version: '0.40.6' });
  expect(rows.rows.get(NAMES[0])?.pocketbase_version).toBe('0.40.6');
});

it('stops no database when the rows cannot be read', async () => {
  const cause = new Error('no answer');
  rows.list = () => Promise.reject(cause);
  await expect(reconciler.catchUp()).rejects.toBe(cause);
  expect(known()).toEqual([...NAMES]);
});

it('reads rows that changed since the last run, and all after the global PocketBase restarted', async () => {
  rows.changedAt.set(NAMES[0], LONG_AGO);
  for (const name of NAMES) Object.assign(rows.rows.get(name) ?? {}, { memory_mb: 100 });
  const limits = () => NAMES.map((name) => catalog.get(name).row.memory_mb);
  await reconciler.catchUp();
  expect(limits()).toEqual([0, 100]);
  expect(rows.lists).toEqual([undefined, '2026-01-15 11:55:00.000Z']);
  await reconciler.catchUp({ isFull: true });
  expect(limits()).toEqual([100, 100]);
});

it('compares all rows at last, for changes without a time', async () => {
  rows.changedAt.set(NAMES[0], LONG_AGO);
  Object.assign(rows.rows.get(NAMES[0]) ?? {}, { desired: 'stopped' });
  for (let run = 0; run < 60; run += 1) await reconciler.catchUp();
  expect(catalog.get(NAMES[0]).row.desired).toBe('stopped');
  expect(rows.lists.filter((since) => since === undefined)).toHaveLength(2);
});

it('stops a database that another node owns, and starts it when this node owns it again', async () => {
  fleet.get(NAMES[0]).start({ force: false });
  share.others.set(NAMES[0], 'n2');
  await reconciler.catchUp({ isFull: true });
  expect(known()).toEqual([NAMES[1]]);
  expect(fleet.find(NAMES[0])).toBeNull();
  expect(catalog.elsewhere.find(NAMES[0])).toMatchObject({ other: { node: 'n2', address: '10.0.0.2' } });
  expect(() => catalog.get(NAMES[0])).toThrow('node n2 runs');

  share.others.clear();
  await reconciler.catchUp({ isFull: true });
  expect(known().toSorted()).toEqual([...NAMES]);
  expect(catalog.elsewhere.size).toBe(0);
  expect(gained).toEqual([catalog.get(NAMES[0]).row.user]);
  expect(fleet.get(NAMES[0]).state.observed.desired).toBe('running');
});

it('starts a database that a member gets before it has read its row', async () => {
  share.leader = { node: 'n1' };
  const [row] = rows.rows.values();
  const name = '2026-01-15-003-new';
  if (row !== undefined) rows.rows.set(name, { ...row, id: name, name, user: 'user9' });
  await reconciler.catchUp({ isFull: true });
  expect(gained).toEqual(['user9']);
  expect(fleet.get(name).state.observed.desired).toBe('running');
});

it('forgets a database of another node with its row', async () => {
  share.others.set(NAMES[0], 'n2');
  await reconciler.catchUp({ isFull: true });
  rows.rows.delete(NAMES[0]);
  await reconciler.catchUp();
  expect(catalog.elsewhere.size).toBe(0);
});

it('creates no databases on a member', async () => {
  const asked: string[] = [];
  share.leader = { node: 'n1' };
  reconciler = new Reconciler({
    ...deps,
    users: { listWithoutDatabase: async () => asked.push('users') } as unknown as UserRepository,
  });
  await reconciler.catchUp();
  expect(asked).toEqual([]);
});

it('starts a database whose files its start restores, and lets others begin asleep', async () => {
  const sleep = { isSupported: () => Promise.resolve(true), maySleep: () => true };
  for (const name of NAMES) fleet.get(name).state.update({ port: 9_000 });
  reconciler = new Reconciler({ ...deps, sleep });
  const { opened } = await reconciler.startAll([], new Set([NAMES[0]]));
  const phases = NAMES.map((name) => fleet.get(name).state.phase);
  expect(phases[0]).not.toBe('asleep');
  expect(phases[1]).toBe('asleep');
  await opened;
});
