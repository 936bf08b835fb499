import { type ErrorCode, FathomError, messageOf } from '../../shared/errors.ts';
import type { DatabaseRow } from '../../shared/hooks/control-plane-routes.ts';
import type { Plans } from '../accounts/plans/plans.ts';
import type { UserRepository } from '../accounts/user-repository.ts';
import type { Logger } from '../base/log/log.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import type { Binaries } from '../pocketbase/binary/binaries.ts';
import { toIsoTime, toPocketBaseDate } from '../pocketbase/data/sqlite.ts';
import type { FoundProcess } from '../pocketbase/process/process-driver.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';
import { NOT_STARTED, type SleepWatch } from '../supervisor/sleep/sleep-watch.ts';
import type { PortAllocator } from '../supervisor/start/ports.ts';
import { adoptionProblem, groupByInstance, isOutdated } from '../supervisor/start/takeover.ts';
import type { Catalog, CatalogEntry } from './catalog.ts';
import type { DatabaseRepository } from './database-repository.ts';
import type { FleetShare, OtherNode } from './elsewhere/fleet-share.ts';
import { isOpenToOthers } from './provisioning/prepare-database.ts';
import type { Provisioner } from './provisioning/provisioner.ts';

export interface ReconcileDeps {
  catalog: Catalog;
  fleet: Fleet;
  ports: PortAllocator;
  repository: DatabaseRepository;
  users: UserRepository;
  plans: Plans;
  provisioner: Provisioner;
  /** Null for a single server. */
  share: Pick<FleetShare, 'leader' | 'elsewhere'> | null;
  /** Called with the owner of a database that another node ran before. */
  onGained: (userId: string) => void;
  binaries: Pick<Binaries, 'problemOf'>;
  settings: Pick<LiveSettings, 'signUps'>;
  sleep: Pick<SleepWatch, 'isSupported' | 'maySleep'>;
  /** The applications of new databases, which those of earlier releases have too. */
  applications: string;
  /** Whether the key of the settings is being changed. */
  hasPreviousKey: boolean;
  log: Logger;
}

/**
 * Errors of provisioning that are not reported again: the user or database was deleted or changed in the meantime, or the
 * fleet is full, which status and doctor show.
 */
const EXPECTED: ReadonlySet<ErrorCode> = new Set([
  'not_found',
  'conflict',
  'address.unverified',
  'database.deleted',
  'databases.limit_reached',
]);

/** A change may become visible long after its time: a transaction can wait for others. */
const OVERLAP_MS = 5 * 60_000;
/** SQL statements change rows without a new time. */
const FULL_EVERY_RUNS = 60;

/**
 * Adjusts the fleet to the rows of the control plane: at the start, and periodically in case a change was missed. A run reads
 * the rows that changed since the last one, and sometimes all.
 */
export class Reconciler {
  readonly #deps: ReconcileDeps;
  /** The time from which on changes are read; null reads all rows. */
  #since: string | null = null;
  #runs = 0;
  /** Names of rows that cannot be registered. */
  readonly #invalid = new Set<string>();
  readonly #restarts = new AbortController();

  constructor(deps: ReconcileDeps) {
    this.#deps = deps;
  }

  /** Registers all databases. Rows with an invalid name are logged and skipped. */
  async load(): Promise<void> {
    const { fleet, ports, repository, plans } = this.#deps;
    await plans.load();
    ports.noteFreed(await repository.listFreedPorts());
    for await (const { rows, at } of repository.pages()) {
      await this.#fillInApplications(rows);
      const registered = rows.flatMap((row) => this.#register(row) ?? []);
      void fleet.openEarly(registered.filter(mustServe).map(({ runner }) => runner));
      // Later changes are found from the time of the first page on.
      this.#since ??= readFrom(at);
    }
    await this.#verifyPinned(this.#deps.catalog.entries().map(({ row }) => row));
  }

  /** Databases of earlier releases keep the applications that they have, also when FATHOM_APPS changes. */
  async #fillInApplications(rows: readonly DatabaseRow[]): Promise<void> {
    const { applications, repository } = this.#deps;
    const unknown = rows.filter((row) => !row.applications);
    if (unknown.length === 0 || this.#isMember) return;
    await repository.fillInApplications(applications);
    for (const row of unknown) row.applications = applications;
  }

  /** Verifies the executables of pinned databases, so that their processes can be taken over. */
  async #verifyPinned(rows: readonly DatabaseRow[]): Promise<void> {
    const { binaries, log } = this.#deps;
    for (const [version, pinned] of Map.groupBy(rows, ({ pocketbase_version }) => pocketbase_version)) {
      const problem = await binaries.problemOf(version);
      if (problem) log.error({ databases: pinned.map(({ name }) => name) }, problem.message);
    }
  }

  /**
   * Begins to start all databases that should run, and takes over processes that still run. Resolves when processes that may
   * not continue have ended, so that no process writes to files that are removed next.
   *
   * @param unrestored names of databases that need a start to get the files of their last owner: they do not begin asleep
   * @returns `opened`, which resolves when the ports of all are open: with thousands, the keeper is busy for a while
   */
  async startAll(
    found: readonly FoundProcess[],
    unrestored: ReadonlySet<string> = new Set(),
  ): Promise<{ opened: Promise<void> }> {
    const processes = groupByInstance(found);
    const ends: Promise<void>[] = [];
    const outdated: string[] = [];
    const failed = await this.#countMissedWakes();
    const begin = await this.#starter(new Set([...failed, ...unrestored]));
    for (const entry of this.#deps.catalog.entries()) {
      const { row, runner } = entry;
      const [process, ...others] = processes.get(row.name) ?? [];
      processes.delete(row.name);
      for (const other of others) ends.push(this.#end(other, 'it is the second one for this database'));
      if (row.desired !== 'running' || row.state === 'deleting') {
        if (process) ends.push(this.#end(process, 'this database should not run'));
        continue;
      }
      const objection = process ? adoptionProblem(process, runner.spec) : null;
      if (process && objection === null) {
        runner.start({ force: false, adopt: process });
        if (isOutdated(process, runner.spec) || isOpenToOthers(dataDirOf(runner.spec.directory)))
          outdated.push(row.name);
        continue;
      }
      const end = process && objection !== null ? this.#end(process, objection) : null;
      // Provisioning starts a database that is not complete yet.
      const start = () => mustServe(entry) && begin(entry);
      if (end === null) start();
      else ends.push(end.then(() => void start()));
    }
    for (const orphans of processes.values()) {
      for (const orphan of orphans) ends.push(this.#end(orphan, 'no database of that name is known'));
    }
    await Promise.all(ends);
    return { opened: this.#openPorts(outdated) };
  }

  async #openPorts(outdated: readonly string[]): Promise<void> {
    await this.#deps.fleet.openPorts();
    if (this.#deps.hasPreviousKey) await this.#adjustStopped();
    void this.#restartOutdated(outdated);
  }

  /** Best effort: without it, metrics lack wakes, and the next request shows what failed. */
  async #countMissedWakes(): Promise<ReadonlySet<string>> {
    try {
      return await this.#deps.fleet.countMissedWakes();
    } catch (error) {
      this.#deps.log.warn(`cannot read what happened without a daemon: ${messageOf(error)}`);
      return new Set();
    }
  }

  /**
   * Returns the function that starts a database, or lets it sleep until its first connection.
   *
   * @param awake names of databases that do not sleep: those that could not be started, whose start shows the reason, and others
   */
  async #starter(awake: ReadonlySet<string>): Promise<(entry: CatalogEntry) => void> {
    const { sleep } = this.#deps;
    const isSupported = await sleep.isSupported();
    return ({ runner }) => {
      const archived = runner.spec.archived();
      const maySleep = archived !== null || sleep.maySleep(runner);
      const sleeps = isSupported && !awake.has(runner.spec.name) && maySleep;
      if (sleeps) runner.startAsleep(archived ?? NOT_STARTED);
      else runner.start({ force: false });
    };
  }

  /** Others are adjusted when they start. These may start long after the previous key was removed. */
  async #adjustStopped(): Promise<void> {
    const { catalog } = this.#deps;
    for (const entry of catalog.entries()) {
      const { phase } = entry.runner.state;
      const isAdjusted = entry.row.state === 'ready' && entry.runner.spec.archived() === null;
      if (isAdjusted && (phase === 'stopped' || phase === 'asleep')) catalog.adjust(entry);
      // Lets other work run between two databases.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Stops the restarts of outdated instances. May be called again. */
  stop(): void {
    this.#restarts.abort();
  }

  /** Restarts instances with another binary, key or settings one after the other, so that all others keep serving. */
  async #restartOutdated(names: readonly string[]): Promise<void> {
    const { fleet, log } = this.#deps;
    for (const name of names) {
      if (this.#restarts.signal.aborted) return;
      log.info({ instance: name }, 'restarting it, because its binary, key, settings or rules are outdated');
      await fleet.restart(name).catch((error: unknown) => {
        if (!this.#restarts.signal.aborted) log.warn({ instance: name }, messageOf(error));
      });
    }
  }

  /**
   * Handles missed changes: users without a database, interrupted provisioning, edited or deleted rows.
   *
   * @param isFull compares all rows: the data of the control plane may have been replaced
   */
  async catchUp({ isFull = false }: { isFull?: boolean } = {}): Promise<void> {
    const { catalog, provisioner, users, plans, settings, log } = this.#deps;
    this.#runs += 1;
    if (isFull || this.#runs % FULL_EVERY_RUNS === 0) this.#since = null;
    await plans.load();
    await this.#applyRows();
    if (this.#isMember) return;
    const onlyVerified = settings.signUps.mode === 'verified';
    const unfinished = catalog
      .entries()
      .filter(({ row }) => row.state === 'provisioning')
      .map(({ row, runner }) => ({ id: row.user, email: runner.spec.email ?? '' }));
    for (const user of [...unfinished, ...(await users.listWithoutDatabase({ onlyVerified }))]) {
      await provisioner.ensure(user).catch((error: unknown) => {
        if (error instanceof FathomError && EXPECTED.has(error.code)) return;
        log.error({ user: user.id }, `provisioning still fails: ${messageOf(error)}`);
      });
    }
  }

  /** Applies the rows, except those of databases that the daemon changed after the rows were read. */
  async #applyRows(): Promise<void> {
    const { catalog, repository } = this.#deps;
    using changed = catalog.watchChanges();
    const since = this.#since ?? undefined;
    const { rows, at, count } = await repository.list(since);
    for (const row of rows) {
      // The row of a database that is being erased.
      if (changed.has(row.name) || catalog.trashed.find(row.name)) continue;
      // A member gets databases that were created after it read the rows.
      const isNew = this.#isMember && catalog.find(row.name) === null;
      const isGained = (isNew || catalog.elsewhere.find(row.name) !== null) && this.#otherNode(row) === null;
      const entry = (await this.#giveAway(row)) ? null : (catalog.find(row.name) ?? this.#register(row));
      if (entry && row.state === 'ready') await this.#applyRow(entry, row);
      if (entry && isGained) this.#startGained(entry);
    }
    if (since === undefined) {
      const named = new Set(rows.map(({ name }) => name));
      for (const name of this.#invalid) if (!named.has(name)) this.#invalid.delete(name);
      for (const { row } of catalog.entries()) {
        if (!named.has(row.name) && !changed.has(row.name)) await this.#drop(row);
      }
      for (const name of catalog.elsewhere.names()) if (!named.has(name)) catalog.elsewhere.remove(name);
    }
    this.#since = readFrom(at);
    // A deleted row does not show in the changes.
    if (since !== undefined && count < catalog.size + catalog.elsewhere.size + this.#invalid.size) {
      this.#since = null;
      await this.#applyRows();
    }
  }

  async #applyRow(entry: CatalogEntry, row: DatabaseRow): Promise<void> {
    if (entry.row.desired !== row.desired) {
      entry.row.desired = row.desired;
      if (row.desired === 'running') entry.runner.start({ force: false });
      else entry.runner.stop();
    }
    if (entry.row.pocketbase_version !== row.pocketbase_version) await this.#applyVersion(entry, row);
    if ((entry.row.access ?? '') !== (row.access ?? '')) await this.#applyAccess(entry, row);
    const { memory_mb, disk_mb, sleep_after, developer, plan = '', applications = '' } = row;
    const read = { memory_mb, disk_mb, sleep_after, developer, plan, applications };
    const before = { plan: '', applications: '', ...entry.row };
    if (Object.entries(read).some(([field, value]) => before[field as keyof typeof read] !== value)) {
      Object.assign(entry.row, read);
      entry.runner.state.update({});
    }
    const { port } = entry.runner.state.observed;
    if (port === null || port === row.port || entry.runner.state.phase !== 'running') return;
    entry.row.port = row.port;
    await this.#deps.catalog.savePort(row.name, port);
  }

  /** A problem is logged here, and is the reason of the next start. */
  async #applyVersion(
    entry: CatalogEntry,
    { name, pocketbase_version: version }: DatabaseRow,
  ): Promise<void> {
    const { catalog, log } = this.#deps;
    try {
      await catalog.changeVersion(entry, version, () => {
        entry.row.pocketbase_version = version;
      });
    } catch (error) {
      log.warn({ instance: name }, `cannot change its PocketBase: ${messageOf(error)}`);
    }
  }

  /** A problem is logged here. The next start applies the access. */
  async #applyAccess(entry: CatalogEntry, { name, access = '' }: DatabaseRow): Promise<void> {
    try {
      await this.#deps.catalog.changeAccess(entry, access, () => {
        entry.row.access = access;
      });
    } catch (error) {
      this.#deps.log.warn({ instance: name }, `cannot change what its owner may use: ${messageOf(error)}`);
    }
  }

  /** Stops a database without a row. Its directory stays for an administrator to inspect. */
  async #drop({ name, user, state }: DatabaseRow): Promise<void> {
    const { catalog, fleet, provisioner, log } = this.#deps;
    // It is on its way to the trash.
    if (state === 'trashed') return;
    await provisioner.settled(user);
    await fleet.remove(name);
    catalog.forget(name);
    // A deletion logs its own line.
    if (state === 'deleting') return;
    log.warn(
      { instance: name, user },
      'its row in user_databases was deleted, so it was stopped; its directory is kept',
    );
  }

  #startGained({ row, runner }: CatalogEntry): void {
    this.#deps.onGained(row.user);
    if (row.desired === 'running') runner.start({ force: false });
  }

  get #isMember(): boolean {
    return (this.#deps.share?.leader ?? null) !== null;
  }

  #otherNode({ name }: DatabaseRow): OtherNode | null {
    return this.#deps.share?.elsewhere(name) ?? null;
  }

  /** Stops a database that another node owns, and forgets it. Its files stay. False for one that this node may run. */
  async #giveAway(row: DatabaseRow & { email: string | null }): Promise<boolean> {
    const { catalog, fleet, log } = this.#deps;
    const other = this.#otherNode(row);
    if (other === null) return false;
    if (catalog.find(row.name) !== null) {
      await fleet.remove(row.name, { keepsPort: true });
      catalog.forget(row.name);
      log.info({ instance: row.name, node: other.node }, 'another node runs it now');
    }
    catalog.registerElsewhere(row, other);
    return true;
  }

  #register(row: DatabaseRow & { email: string | null }) {
    const { catalog, ports } = this.#deps;
    const other = this.#otherNode(row);
    if (other !== null) {
      // Otherwise a new database could get it.
      if (row.port > 0) ports.reserve(row.name, row.port);
      catalog.registerElsewhere(row, other);
      return null;
    }
    catalog.elsewhere.take(row.name);
    try {
      return this.#deps.catalog.register(row, row.email);
    } catch (error) {
      if (!this.#invalid.has(row.name)) this.#deps.log.error({ instance: row.name }, messageOf(error));
      this.#invalid.add(row.name);
      return null;
    }
  }

  async #end(process: FoundProcess, reason: string): Promise<void> {
    const { fleet, log } = this.#deps;
    log.warn(
      { instance: process.instance, pid: process.pid },
      `ending a process that an earlier daemon left: ${reason}`,
    );
    await fleet.endFound(process);
  }
}

function readFrom(at: string): string {
  return toPocketBaseDate(new Date(Date.parse(toIsoTime(at)) - OVERLAP_MS));
}

/** Whether clients of a database are served, or wait. */
function mustServe({ row }: CatalogEntry): boolean {
  return row.desired === 'running' && row.state === 'ready';
}
