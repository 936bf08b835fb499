import { join } from 'node:path';
import type { DatabaseAccessLevel } from '../../shared/access.ts';
import type { PhaseReason } from '../../shared/api/instances.ts';
import { isDatabaseName } from '../../shared/database-name.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { DatabaseRow, DatabaseRowChange } from '../../shared/hooks/control-plane-routes.ts';
import { Batches } from '../base/batches.ts';
import { KeyedMutex } from '../base/keyed-mutex.ts';
import { unseal } from '../keys/envelope.ts';
import { superuserTokens, type TokenSource } from '../keys/instance-access.ts';
import { connectionsProblem } from '../pocketbase/sandbox/level.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { maintenanceConflict } from '../supervisor/maintenance.ts';
import type { Runner } from '../supervisor/runner.ts';
import { ArchivedDatabases } from './archive/archived-databases.ts';
import type { DatabaseRepository } from './database-repository.ts';
import { DatabasesElsewhere, runsElsewhere } from './elsewhere/databases-elsewhere.ts';
import type { OtherNode } from './elsewhere/fleet-share.ts';
import { adjustStopped, recordVersion } from './provisioning/prepare-database.ts';
import { deletedDatabase, TrashedDatabases } from './trash/trashed-databases.ts';
import { secretBelongsTo, UserInstance, type UserInstanceDeps } from './user-instance.ts';

export interface CatalogDeps extends UserInstanceDeps {
  fleet: Fleet;
  repository: DatabaseRepository;
  /** The URL of a database that another node runs, for clients. */
  urlElsewhere: (name: string, port: number, address: string) => string;
}

/** Shown while an instance changes its access. */
const OTHER_ACCESS: PhaseReason = { code: 'requested', message: 'changing what its owner may use' };

/** Shown while an instance changes its version. */
const OTHER_VERSION: PhaseReason = {
  code: 'requested',
  message: 'changing to another version of PocketBase',
};

/** One user database: its row and its instance. */
export interface CatalogEntry {
  row: DatabaseRow;
  runner: Runner;
  instance: UserInstance;
  superuserToken: TokenSource;
  /** The id of the rollout that changes or watches it now; null without one. */
  rollout: string | null;
}

/** Names of databases that changed since the watch began. */
export interface Changes extends Disposable {
  has(name: string): boolean;
}

/** All known user databases by name. It creates an instance of the fleet for each row of the control plane. */
export class Catalog {
  /** Deleted databases, which are no entries. */
  readonly trashed = new TrashedDatabases();
  /** Databases whose files are in a backup only. */
  readonly archived = new ArchivedDatabases();
  /** Databases that other nodes run, which are no entries. */
  readonly elsewhere: DatabasesElsewhere;
  readonly #deps: CatalogDeps;
  readonly #entries = new Map<string, CatalogEntry>();
  readonly #byUser = new Map<string, CatalogEntry>();
  readonly #watchers = new Set<Set<string>>();
  readonly #updates = new KeyedMutex();
  /** Ids of rows. Many users sign up at once. */
  readonly #ready: Batches<string>;

  constructor(deps: CatalogDeps) {
    this.#deps = deps;
    this.elsewhere = new DatabasesElsewhere(deps.clock);
    this.#ready = new Batches((ids) => deps.repository.markReady(ids));
  }

  /** The directory of all databases. */
  get directory(): string {
    return this.#deps.settings.userDatabasesDir;
  }

  directoryOf(name: string): string {
    if (!this.#entries.has(name)) requireName(name);
    return join(this.directory, name);
  }

  /** Adds the instance of a row to the fleet, without starting it. */
  register(row: DatabaseRow, email: string | null): CatalogEntry {
    const known = this.#entries.get(row.name);
    if (known) return known;
    requireName(row.name);
    const instance = new UserInstance(row, email, this.#deps, this);
    const runner = this.#deps.fleet.add(instance, row.port > 0 ? row.port : null);
    const entry = { row, runner, instance, superuserToken: instance.superuserToken, rollout: null };
    this.#entries.set(row.name, entry);
    this.#byUser.set(row.user, entry);
    this.#noteChange(row.name);
    return entry;
  }

  /** Notes a database that another node runs. */
  registerElsewhere(row: DatabaseRow & { email: string | null }, other: OtherNode): void {
    const { masterKeys, urlElsewhere, clock } = this.#deps;
    let tokens: TokenSource | null = null;
    this.elsewhere.set({
      row,
      other,
      spec: new UserInstance(row, row.email, this.#deps, this),
      urlOf: (port, address) => urlElsewhere(row.name, port, address),
      superuserToken() {
        tokens ??= superuserTokens(
          unseal(masterKeys, row.superuser_secret, secretBelongsTo(row.user)),
          clock,
        );
        return tokens();
      },
    });
    this.#noteChange(row.name);
  }

  /** Records changes by the daemon from now on. Call this before reading rows, which may be older than these changes. */
  watchChanges(): Changes {
    const changed = new Set<string>();
    this.#watchers.add(changed);
    return {
      has: (name) => changed.has(name),
      [Symbol.dispose]: () => {
        this.#watchers.delete(changed);
      },
    };
  }

  #noteChange(name: string): void {
    for (const changed of this.#watchers) changed.add(name);
  }

  forget(name: string): void {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    if (entry && this.#byUser.get(entry.row.user) === entry) this.#byUser.delete(entry.row.user);
    this.#noteChange(name);
  }

  find(name: string): CatalogEntry | null {
    return this.#entries.get(name) ?? null;
  }

  /** @throws FathomError `not_found`, `database.deleted`, `conflict` for one that another node runs */
  get(name: string): CatalogEntry {
    const entry = this.#entries.get(name);
    const other = this.elsewhere.find(name);
    if (!entry && other) throw runsElsewhere(other);
    const trashed = this.trashed.find(name);
    if (!entry && trashed) throw deletedDatabase(name, trashed.erase_at);
    if (!entry) throw new FathomError('not_found', `there is no database named '${name}'`);
    return entry;
  }

  findByUser(userId: string): CatalogEntry | null {
    return this.#byUser.get(userId) ?? null;
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): CatalogEntry[] {
    return [...this.#entries.values()];
  }

  /** Updates accounts and settings of a stopped database. */
  adjust({ instance }: CatalogEntry): void {
    adjustStopped(instance.preparation());
  }

  /**
   * The same for a copy of a database that takes its place. Its next start may be without the daemon.
   *
   * @param dataDir of the copy
   */
  adjustCopy({ instance }: CatalogEntry, dataDir: string): void {
    const preparation = { ...instance.preparation(), dataDir };
    adjustStopped(preparation);
    recordVersion(preparation);
  }

  /**
   * Gives an instance the executable of another version. One that runs it already, or runs while it cannot be used, continues.
   * Others get it between two processes: a database that sleeps or is stopped stays so.
   *
   * @param version empty for that of the fleet
   * @param store stores the version in the row
   * @throws FathomError `conflict` when the database is maintained or part of a rollout, `instance.failed` with the reason when it does not start
   * again; the error of `store`
   */
  async changeVersion(
    entry: CatalogEntry,
    version: string,
    store: () => void | Promise<void>,
  ): Promise<void> {
    const { row, runner, instance } = entry;
    const { binaries, fleet, log } = this.#deps;
    const problem = await binaries.problemOf(version);
    requireUnchanged(entry);
    const { pid, binary } = runner.state.observed;
    if (pid !== null && (problem !== null || binary?.sha256 === binaries.of(version).sha256)) {
      await store();
      runner.state.update({});
      if (problem) log.warn({ instance: row.name }, problem.message);
      return;
    }
    await runner.maintain(async () => {
      await store();
      runner.state.update({});
      const hasFiles = this.archived.find(row.name) === null;
      if (problem === null && hasFiles && runner.state.phase === 'asleep')
        recordVersion(instance.preparation());
    }, OTHER_VERSION);
    const { phase, observed } = runner.state;
    if (observed.desired === 'running' && phase !== 'asleep') await fleet.start(row.name, { force: true });
  }

  /**
   * Changes what the owner may use. The files of a database without a process change at once; one that runs restarts.
   *
   * @param access empty for OWNER_ACCESS
   * @param store stores the access in the row
   * @throws FathomError as `changeVersion`, and `conflict` on a host that cannot limit the connections of a developer's database
   */
  async changeAccess(
    entry: CatalogEntry,
    access: DatabaseAccessLevel | '',
    store: () => void | Promise<void>,
  ): Promise<void> {
    const { row, runner, instance } = entry;
    const { config, driver, fleet } = this.#deps;
    const next = access || config.ownerAccess.access;
    if (next === instance.access() && !instance.hasOtherAccess()) return store();
    requireUnchanged(entry);
    if (row.state !== 'ready')
      throw new FathomError(
        'conflict',
        `${row.name} is being created; change its access when it has run once`,
      );
    if (next === 'developer') {
      const sandbox = await driver.sandboxFor(instance.binary.path);
      if (sandbox.level !== 'full') throw new FathomError('conflict', connectionsProblem(sandbox));
    }
    await runner.maintain(async () => {
      await store();
      runner.state.update({});
      if (this.archived.find(row.name) !== null) return;
      await instance.prepareAccess();
      adjustStopped(instance.preparation());
    }, OTHER_ACCESS);
    const { phase, observed } = runner.state;
    if (observed.desired === 'running' && phase !== 'asleep') await fleet.start(row.name, { force: true });
  }

  /** Updates the row in the control plane and in memory. Concurrent updates of a row run one after the other. */
  async update(entry: CatalogEntry, changes: DatabaseRowChange): Promise<void> {
    const { id, name } = entry.row;
    this.#noteChange(name);
    await this.#updates.run(id, async () => {
      await this.#deps.repository.update(id, changes);
      Object.assign(entry.row, changes);
    });
    this.#noteChange(name);
  }

  /** Stores that a new database is ready, unless it is being deleted. */
  async markReady({ row }: CatalogEntry): Promise<void> {
    this.#noteChange(row.name);
    await this.#updates.run(row.id, async () => {
      if (row.state !== 'provisioning') return;
      await this.#ready.add(row.id);
      row.state = 'ready';
    });
    this.#noteChange(row.name);
  }

  /** Publishes the state of databases whose limits have changed with their plan or the settings. */
  plansChanged(hasChanged: (plan: string) => boolean): void {
    for (const { row, runner } of this.#entries.values())
      if (hasChanged(row.plan ?? '')) runner.state.update({});
  }

  /** Restarts a database whose accounts are open to others; its start restores the rules. */
  restartToClose(name: string): void {
    this.#deps.fleet.restart(name).catch((error: unknown) => {
      this.#deps.log.error({ instance: name }, `its accounts are open to others: ${messageOf(error)}`);
    });
  }

  /**
   * Stores the port of an instance in its row, and frees its former port. After a failure, the next reconciliation stores it.
   *
   * @returns false when the row of another database names the port
   */
  async savePort(name: string, port: number): Promise<boolean> {
    const entry = this.#entries.get(name);
    if (!entry) return true;
    try {
      if (entry.row.port !== port && !(await this.#storePort(entry, port))) return false;
    } catch (error) {
      this.#deps.log.warn(
        { instance: name, port },
        `cannot store the port now, the next reconciliation retries: ${messageOf(error)}`,
      );
      return true;
    }
    this.#deps.ports.keepOnly(name, port);
    return true;
  }

  async #storePort(entry: CatalogEntry, port: number): Promise<boolean> {
    const { repository, log } = this.#deps;
    const set = async (one: CatalogEntry, to: number) => {
      this.#noteChange(one.row.name);
      const isStored = await repository.setPort(one.row.id, to);
      if (isStored) one.row.port = to;
      this.#noteChange(one.row.name);
      return isStored;
    };
    if (await set(entry, port)) return true;
    // The process of this instance listens, so the row that names the port is outdated: as after an upgrade of a release
    // that gave ports of stopped databases away.
    const other = this.entries().find(({ row }) => row.port === port && row.name !== entry.row.name);
    const { name } = entry.row;
    if (!other || entry.runner.state.phase !== 'running') {
      log.warn({ instance: name, port }, 'another row of user_databases names its port, it gets another one');
      return false;
    }
    log.warn({ instance: other.row.name, port }, `${name} runs on its port, it gets another one`);
    return (await set(other, 0)) && set(entry, port);
  }
}

/** An administrator can edit the name in the control plane. It must not lead out of the directory. */
function requireName(name: string): void {
  if (isDatabaseName(name)) return;
  throw new FathomError(
    'internal',
    `'${name}' in user_databases is not the name of a database; correct the row`,
  );
}

/** @throws FathomError `conflict` while a rollout or other work changes its files or its version */
export function requireUnchanged({ row: { name }, runner, rollout }: CatalogEntry): void {
  if (rollout !== null)
    throw new FathomError(
      'conflict',
      `the rollout ${rollout} changes ${name} now; wait for its end: 'fathomd pocketbase status --follow'`,
    );
  if (runner.maintenance) throw maintenanceConflict(name);
}
