import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DatabaseChange } from '../../shared/api/databases.ts';
import type { Instance } from '../../shared/api/instances.ts';
import { FathomError } from '../../shared/errors.ts';
import { lacksMigrations } from '../../shared/reasons.ts';
import { exists, makeDirectory } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import type { Logger } from '../base/log/log.ts';
import { SingleFlight } from '../base/single-flight.ts';
import type { Clock } from '../base/time/clock.ts';
import { type Binaries, FLEET_VERSION } from '../pocketbase/binary/binaries.ts';
import { isOlder, isRefusedAfter, lastVersionOf, OlderVersion } from '../pocketbase/data/last-version.ts';
import { toPocketBaseDate } from '../pocketbase/data/sqlite.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';
import { type Catalog, type CatalogEntry, requireUnchanged } from './catalog.ts';
import { STAGING_PREFIX } from './provisioning/clone.ts';
import type { Provisioner } from './provisioning/provisioner.ts';
import type { Templates } from './provisioning/templates.ts';
import { removeDatabaseDirectory } from './remove-directory.ts';
import type { TrashRepository } from './trash/trash-repository.ts';

export interface LifecycleDeps {
  catalog: Catalog;
  fleet: Fleet;
  trash: Pick<TrashRepository, 'noteErased'>;
  provisioner: Provisioner;
  clock: Pick<Clock, 'now'>;
  binaries: Pick<Binaries, 'fleet' | 'problemOf'>;
  templates: Pick<Templates, 'refresh'>;
  log: Logger;
}

const DELETED_PREFIX = '.deleted-';

/** Operations on user databases. The desired state is stored first, so that it survives the daemon. */
export class DatabaseLifecycle {
  readonly #deps: LifecycleDeps;
  readonly #deletions = new SingleFlight<void>();

  constructor(deps: LifecycleDeps) {
    this.#deps = deps;
  }

  /** @throws FathomError `instance.failed` with the reason when the instance does not start */
  async start(name: string, options: { force: boolean }): Promise<Instance> {
    const entry = await this.#ensureProvisioned(name);
    if (entry.row.desired !== 'running') await this.#deps.catalog.update(entry, { desired: 'running' });
    // Uses migration files that were corrected in the meantime.
    await this.#deps.templates.refresh();
    if (entry.runner.state.phase === 'running' && lacksMigrations(entry.runner.state.reason))
      return this.#deps.fleet.restart(name);
    if (entry.runner.state.phase === 'asleep') return this.#deps.fleet.wake(name, 'command');
    return this.#deps.fleet.start(name, options);
  }

  /**
   * @param force closes connections without a request in progress
   * @throws FathomError `conflict` when it has open connections or jobs of its own, or does not run
   */
  async sleep(name: string, { force }: { force: boolean }): Promise<Instance> {
    const { runner } = this.#getAvailable(name);
    if (runner.state.phase === 'running' && runner.spec.hasOwnJobs())
      throw new FathomError(
        'conflict',
        `${name} does not sleep: it has jobs at fixed times (cronAdd in its hooks, or backups of PocketBase), which need its process; 'fathomd databases stop ${name}' ends it, and its jobs do not run until it is started`,
      );
    const message = 'asleep, as requested; the next request wakes it';
    return this.#deps.fleet.sleep(name, { code: 'requested', message }, force);
  }

  /** @throws FathomError `conflict` when it is stopped, `instance.failed` with the reason when it does not start */
  async wake(name: string): Promise<Instance> {
    const { row } = this.#getAvailable(name);
    if (row.desired === 'stopped')
      throw new FathomError('conflict', `${name} is stopped; run 'fathomd databases start ${name}'`);
    return this.#deps.fleet.wake(name, 'command');
  }

  async stop(name: string): Promise<Instance> {
    const entry = this.#getAvailable(name);
    if (entry.row.desired !== 'stopped') await this.#deps.catalog.update(entry, { desired: 'stopped' });
    return this.#deps.fleet.stop(name);
  }

  /** @throws FathomError `instance.failed` with the reason when the instance does not start again */
  async restart(name: string): Promise<Instance> {
    const entry = await this.#ensureProvisioned(name);
    if (entry.row.desired !== 'running') await this.#deps.catalog.update(entry, { desired: 'running' });
    await this.#deps.templates.refresh();
    return this.#deps.fleet.restart(name);
  }

  /** Changes the limits of a database, where null sets the default, and who can reach it. */
  async configure(name: string, { access, ...changes }: DatabaseChange): Promise<Instance> {
    const { catalog } = this.#deps;
    const entry = this.#getAvailable(name);
    // A number in a row cannot be null: 0 is the default, and -1 is never.
    const stored = Object.fromEntries(
      Object.entries(changes).flatMap(([field, value]) =>
        value === undefined ? [] : [[field, field === 'sleep_after' && value === 0 ? -1 : (value ?? 0)]],
      ),
    );
    if (Object.keys(stored).length > 0) await catalog.update(entry, stored);
    if (access !== undefined) {
      const value = access === 'default' ? '' : access;
      await catalog.changeAccess(entry, value, () => catalog.update(entry, { access: value }));
    }
    entry.runner.state.update({});
    return entry.runner.state.view();
  }

  /**
   * Pins a database to a version of PocketBase, or to that of the fleet. An instance that runs another version is restarted.
   *
   * @param version empty for that of the fleet
   * @throws FathomError `conflict` for a version that cannot run on the database, `instance.failed` with the reason when the
   * instance does not start again
   */
  async pin(name: string, version: string): Promise<Instance> {
    const { catalog, log } = this.#deps;
    const { entry, next } = await this.requirePinnable(name, version);
    await catalog.changeVersion(entry, version, () => catalog.update(entry, { pocketbase_version: version }));
    log.info(
      { instance: name, version: next },
      version === FLEET_VERSION ? 'unpinned a database' : 'pinned a database',
    );
    return entry.runner.state.view();
  }

  /**
   * Returns the database, and the version that it would run.
   *
   * @param version empty for that of the fleet
   * @throws FathomError `conflict` for a version that cannot run on the database
   */
  async requirePinnable(name: string, version: string): Promise<{ entry: CatalogEntry; next: string }> {
    const entry = this.#getAvailable(name);
    const { binaries } = this.#deps;
    if (entry.row.state !== 'ready')
      throw new FathomError('conflict', `${name} is being created; pin it when it has run once`);
    requireUnchanged(entry);
    const problem = await binaries.problemOf(version);
    if (problem !== null) throw new FathomError('conflict', problem.message);
    const last = this.#lastVersion(entry);
    const next = version === FLEET_VERSION ? binaries.fleet.version : version;
    if (last !== null && isRefusedAfter(next, last)) throw new OlderVersion(next, last);
    return { entry, next };
  }

  /** The later one of the version that is recorded and the version that runs. A restore can bring an earlier record. */
  #lastVersion({ runner: { state, spec } }: CatalogEntry): string | null {
    const archived = this.#deps.catalog.archived.find(spec.name);
    const recorded = archived ? archived.version : lastVersionOf(dataDirOf(spec.directory));
    const running = state.observed.pid === null ? null : (state.observed.binary?.version ?? null);
    if (recorded === null || running === null) return recorded ?? running;
    return isOlder(recorded, running) ? running : recorded;
  }

  /**
   * Deletes the database with all its data, and the account if that was deleted with it. Its backups have to be erased then.
   * Concurrent calls share one deletion. It can be repeated, and the next start of the daemon finishes an interrupted one.
   *
   * @param options.withAccount the caller deletes the account as well
   */
  delete(name: string, { withAccount = false } = {}): Promise<void> {
    return this.#deletions.run(name, () => this.#delete(name, withAccount));
  }

  async #delete(name: string, account: boolean): Promise<void> {
    const { catalog, clock, fleet, provisioner, trash, log } = this.#deps;
    const entry = catalog.get(name);
    await catalog.update(entry, { state: 'deleting', desired: 'stopped' });
    // A rollout would go on to write into the directory, also of a database that is stopped.
    await entry.runner.maintenance?.cancel();
    await fleet.stop(name);
    // Otherwise provisioning could create a directory without a row, or overwrite the state with 'ready'.
    await provisioner.settled(entry.row.user);
    if (entry.row.state !== 'deleting') await catalog.update(entry, { state: 'deleting' });
    // The database stays listed until its data is deleted, so that a failed deletion can be repeated.
    await this.removeFiles(name);
    await fleet.remove(name);
    await trash.noteErased(entry.row.id, { requested: toPocketBaseDate(clock.now()), account });
    catalog.forget(name);
    log.warn({ instance: name, user: entry.row.user }, 'deleted a database');
  }

  /** Finishes deletions of an earlier daemon, and removes incomplete directories that it left. */
  async finishInterrupted(userDatabasesDir: string): Promise<void> {
    await makeDirectory(userDatabasesDir);
    for (const directory of await readdir(userDatabasesDir)) {
      if (directory.startsWith(DELETED_PREFIX) || directory.startsWith(STAGING_PREFIX)) {
        const path = join(userDatabasesDir, directory);
        await this.#finish(path, () => removeTree(path));
      }
    }
    for (const { row } of this.#deps.catalog.entries())
      if (row.state === 'deleting') await this.#finish(row.name, () => this.delete(row.name));
  }

  /** Logs a failure: data that cannot be removed, as on a read-only disk, must not prevent the start of the daemon. */
  async #finish(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const next = 'fix the cause and restart the daemon';
      this.#deps.log.error({ err: error }, `cannot finish the deletion of ${what}; ${next}`);
    }
  }

  #getAvailable(name: string): CatalogEntry {
    const entry = this.#deps.catalog.get(name);
    if (entry.row.state === 'deleting' || entry.row.state === 'trashed')
      throw new FathomError('conflict', `the database ${name} is being deleted`);
    return entry;
  }

  /**
   * Returns the database after its provisioning. Finishes a provisioning that was interrupted.
   *
   * @throws FathomError `provision.failed` and others of `Provisioner.ensure`
   */
  async #ensureProvisioned(name: string): Promise<CatalogEntry> {
    const entry = this.#getAvailable(name);
    const { provisioner } = this.#deps;
    if (entry.row.state === 'provisioning') await provisioner.settled(entry.row.user);
    if (entry.row.state === 'provisioning') {
      await provisioner.ensure({ id: entry.row.user, email: entry.runner.spec.email ?? '' });
    }
    return this.#getAvailable(name);
  }

  /** Removes all files of a database without a process. May be repeated. */
  async removeFiles(name: string): Promise<void> {
    const directory = this.#deps.catalog.directoryOf(name);
    const parent = dirname(directory);
    const prefix = `${DELETED_PREFIX}${name}-`;
    // Left by a failed attempt. The date and number are unique, so no other database has this prefix.
    const entries = (await exists(parent)) ? await readdir(parent) : [];
    for (const leftover of entries) {
      if (leftover.startsWith(prefix)) await removeTree(join(parent, leftover));
    }
    await removeDatabaseDirectory(directory, join(parent, `${prefix}${randomUUID()}`));
    this.#deps.catalog.archived.remove(name);
  }
}
