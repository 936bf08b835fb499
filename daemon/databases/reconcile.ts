import { type ErrorCode, FathomError, messageOf } from '../../shared/errors.ts';
import type { DatabaseRow } from '../../shared/hooks/control-plane-routes.ts';
import type { UserRepository } from '../accounts/user-repository.ts';
import type { Logger } from '../base/log/log.ts';
import type { FoundProcess } from '../pocketbase/process/process-driver.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';
import { byInstance, isOutdated, whyNotAdopt } from '../supervisor/start/takeover.ts';
import type { Catalog, CatalogEntry } from './catalog.ts';
import type { DatabaseRepository } from './database-repository.ts';
import { isOpenToOthers } from './provisioning/prepare-database.ts';
import type { Provisioner } from './provisioning/provisioner.ts';

export interface ReconcileDeps {
  catalog: Catalog;
  fleet: Fleet;
  repository: DatabaseRepository;
  users: UserRepository;
  provisioner: Provisioner;
  log: Logger;
}

/** Errors of provisioning for a user or a database that is not there any more, or is about to go. */
const OUTDATED: ReadonlySet<ErrorCode> = new Set(['not_found', 'conflict']);

/** Brings the fleet to what the control plane says: at start, and again and again in case something was missed. */
export class Reconciler {
  readonly #deps: ReconcileDeps;
  readonly #renewal = new AbortController();

  constructor(deps: ReconcileDeps) {
    this.#deps = deps;
  }

  /** Makes all databases known. One whose name is none, as a person may have written it, is told and left out. */
  async load(): Promise<void> {
    for (const row of await this.#deps.repository.list()) this.#register(row);
  }

  /**
   * Begins the start of all databases that should run, taking over processes that still do. Resolves when those that
   * may not go on are gone, so that nothing writes any more to what is cleared away next.
   */
  async startAll(found: readonly FoundProcess[]): Promise<void> {
    const processes = byInstance(found);
    const ends: Promise<void>[] = [];
    const outdated: string[] = [];
    for (const { row, runner } of this.#deps.catalog.entries()) {
      const [process, ...others] = processes.get(row.name) ?? [];
      processes.delete(row.name);
      for (const other of others) ends.push(this.#end(other, 'it is the second one for this database'));
      if (row.desired !== 'running' || row.state === 'deleting') {
        if (process) ends.push(this.#end(process, 'this database should not run'));
        continue;
      }
      const objection = process ? whyNotAdopt(process, runner.spec) : null;
      if (process && objection === null) {
        runner.start({ force: false, adopt: process });
        if (isOutdated(process, runner.spec) || isOpenToOthers(dataDirOf(runner.spec.directory)))
          outdated.push(row.name);
        continue;
      }
      const end = process && objection !== null ? this.#end(process, objection) : Promise.resolve();
      // One that is still being made is started when it is complete.
      ends.push(end.then(() => (row.state === 'ready' ? runner.start({ force: false }) : undefined)));
    }
    for (const orphans of processes.values()) {
      for (const orphan of orphans) ends.push(this.#end(orphan, 'no database of that name is known'));
    }
    await Promise.all(ends);
    // The others when they start, which may be long after a previous key is gone.
    for (const entry of this.#deps.catalog.entries()) {
      if (entry.row.state === 'ready' && entry.row.desired === 'stopped') this.#deps.catalog.adjust(entry);
    }
    void this.#renew(outdated);
  }

  /** Ends what goes on by itself; safe to call again. */
  stop(): void {
    this.#renewal.abort();
  }

  /** Another binary, as after an upgrade, or other keys and settings: one instance after the other is started anew, so that all others serve. */
  async #renew(names: readonly string[]): Promise<void> {
    const { fleet, log } = this.#deps;
    for (const name of names) {
      if (this.#renewal.signal.aborted) return;
      log.info(
        { instance: name },
        'it was started with another binary, key, settings or rules than it should have, so it is restarted',
      );
      await fleet.restart(name).catch((error: unknown) => {
        if (!this.#renewal.signal.aborted) log.warn({ instance: name }, messageOf(error));
      });
    }
  }

  /** What was missed: users without a database, provisioning that was interrupted, rows that a person edited or deleted. */
  async catchUp(): Promise<void> {
    const { catalog, provisioner, users, log } = this.#deps;
    await this.#followRows();
    const unfinished = catalog
      .entries()
      .filter(({ row }) => row.state === 'provisioning')
      .map(({ row, runner }) => ({ id: row.user, email: runner.spec.email ?? '' }));
    for (const user of [...unfinished, ...(await users.listWithoutDatabase())]) {
      await provisioner.ensure(user).catch((error: unknown) => {
        // Deleted, or not to be given a database, since the list was read.
        if (error instanceof FathomError && OUTDATED.has(error.code)) return;
        log.error({ user: user.id }, `provisioning is still not possible: ${messageOf(error)}`);
      });
    }
  }

  /** Rows say what should be, except of databases that the daemon changed since they were read. */
  async #followRows(): Promise<void> {
    const { catalog, repository } = this.#deps;
    using changed = catalog.watchChanges();
    const rows = await repository.list();
    for (const row of rows) {
      if (changed.has(row.name)) continue;
      const entry = catalog.find(row.name) ?? this.#register(row);
      if (entry && row.state === 'ready') await this.#follow(entry, row);
    }
    const named = new Set(rows.map(({ name }) => name));
    for (const { row } of catalog.entries()) {
      if (!named.has(row.name) && !changed.has(row.name)) await this.#drop(row);
    }
  }

  async #follow(entry: CatalogEntry, row: DatabaseRow): Promise<void> {
    if (entry.row.desired !== row.desired) {
      entry.row.desired = row.desired;
      if (row.desired === 'running') entry.runner.start({ force: false });
      else entry.runner.stop();
    }
    const { port } = entry.runner.state.observed;
    if (port !== null && port !== row.port) await this.#deps.catalog.update(entry, { port });
  }

  /** No row names it any more: its process ends, and its directory stays for a person to look at. */
  async #drop({ name, user, state }: DatabaseRow): Promise<void> {
    const { catalog, fleet, provisioner, log } = this.#deps;
    await provisioner.settled(user);
    await fleet.remove(name);
    catalog.forget(name);
    // A deletion that is under way has its own line.
    if (state === 'deleting') return;
    log.warn(
      { instance: name, user },
      'its row in user_databases is gone, so it was stopped; its directory was left as it is',
    );
  }

  #register(row: DatabaseRow & { email: string | null }) {
    try {
      return this.#deps.catalog.register(row, row.email);
    } catch (error) {
      this.#deps.log.error({ instance: row.name }, messageOf(error));
      return null;
    }
  }

  async #end(process: FoundProcess, why: string): Promise<void> {
    const { fleet, log } = this.#deps;
    log.warn(
      { instance: process.instance, pid: process.pid },
      `ending a process that an earlier daemon left: ${why}`,
    );
    await fleet.endFound(process);
  }
}
