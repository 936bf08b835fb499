import { join } from 'node:path';
import type { InstanceLimits } from '../../shared/api/instances.ts';
import { isDatabaseName } from '../../shared/database-name.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { DatabaseRow, DatabaseRowChange } from '../../shared/hooks/control-plane-routes.ts';
import { MIN_MEMORY_MB, MIN_SLEEP_AFTER, type OwnLimits } from '../../shared/limits.ts';
import type { Plans } from '../accounts/plans/plans.ts';
import { KeyedMutex } from '../base/keyed-mutex.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config, LogLimits } from '../config/config.ts';
import { settingsKeys } from '../keys/derived-keys.ts';
import { type MasterKey, unseal } from '../keys/envelope.ts';
import { superuserKeys, superuserTokens, type TokenSource } from '../keys/instance-access.ts';
import type { Binary } from '../pocketbase/binary/binary.ts';
import type { Adjustment } from '../pocketbase/data/adjustment.ts';
import {
  allowDaemonAddresses,
  applyGuard,
  daemonAddresses,
  type GuardSettings,
  guardId,
} from '../pocketbase/data/guard-settings.ts';
import type { Settings } from '../pocketbase/data/settings.ts';
import { toIsoTime } from '../pocketbase/data/sqlite.ts';
import { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import { requestLogLimit } from '../pocketbase/logs/request-log-limit.ts';
import { ENCRYPTION_VARIABLE, THUMBNAIL_LIMITS } from '../pocketbase/process/command.ts';
import type { ProcessDriver } from '../pocketbase/process/process-driver.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { dataDirOf, type InstanceSpec, lockFileOf, requestLogFileOf } from '../supervisor/instance-spec.ts';
import type { Runner } from '../supervisor/runner.ts';
import type { PortAllocator } from '../supervisor/start/ports.ts';
import { settingsOfInstance } from '../supervisor/start/prepare-settings.ts';
import type { DatabaseRepository } from './database-repository.ts';
import type { Ownership } from './owner/ownership.ts';
import {
  adjustStopped,
  isOpenToOthers,
  type Preparation,
  prepareDatabase,
} from './provisioning/prepare-database.ts';
import type { TemplateStore } from './provisioning/template.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;

/** Holds a hash of the settings of a process. A process with other settings is not taken over. */
const GUARD_VARIABLE = 'FATHOM_GUARD';

export interface CatalogDeps {
  fleet: Fleet;
  ports: PortAllocator;
  driver: ProcessDriver;
  template: Pick<TemplateStore, 'current'>;
  repository: DatabaseRepository;
  masterKeys: readonly MasterKey[];
  config: Pick<Config, 'pbEncryptionKey' | 'previousPbEncryptionKey'>;
  plans: Pick<Plans, 'limitsOf'>;
  guard: GuardSettings;
  binary: Binary;
  clock: Clock;
  log: Logger;
  /** Copies the owner's account into a database. */
  accounts: { beforeStart(name: string): Adjustment | null; changed(userId: string): void };
  settings: {
    userDatabasesDir: string;
    instanceLogsDir: string;
    logLimits: LogLimits;
    bindAddress: string;
    publicUrl: (name: string, port: number) => string;
  };
}

/** One user database: its row and its instance. */
export interface CatalogEntry {
  row: DatabaseRow;
  runner: Runner;
  superuserToken: TokenSource;
}

/** Returns the owner to which the envelope of a superuser secret is bound, so that it is useless in another row. */
export function secretBelongsTo(userId: string): string {
  return `user_databases/${userId}/superuser_secret`;
}

/** The limits that a row sets. An administrator can edit it in the control plane. */
function ownLimitsOf({ memory_mb, disk_mb, sleep_after }: DatabaseRow): OwnLimits {
  return {
    memory_mb: memory_mb > 0 ? Math.max(memory_mb, MIN_MEMORY_MB) : undefined,
    disk_mb: disk_mb > 0 ? disk_mb : undefined,
    sleep_after: sleep_after > 0 ? Math.max(sleep_after, MIN_SLEEP_AFTER) : sleep_after < 0 ? 0 : undefined,
  };
}

function toBytes(mb: number | null): number | null {
  return mb === null ? null : mb * MIB;
}

/** Names of databases that changed since the watch began. */
export interface Changes extends Disposable {
  has(name: string): boolean;
}

/** All known user databases by name. It creates an instance of the fleet for each row of the control plane. */
export class Catalog {
  readonly #deps: CatalogDeps;
  readonly #entries = new Map<string, CatalogEntry>();
  readonly #byUser = new Map<string, CatalogEntry>();
  readonly #watchers = new Set<Set<string>>();
  readonly #updates = new KeyedMutex();

  constructor(deps: CatalogDeps) {
    this.#deps = deps;
  }

  /** The directory of all databases. */
  get directory(): string {
    return this.#deps.settings.userDatabasesDir;
  }

  directoryOf(name: string): string {
    // An administrator can edit the name in the control plane. It must not lead out of the directory.
    if (!isDatabaseName(name)) {
      throw new FathomError(
        'internal',
        `'${name}' in user_databases is not the name of a database; correct the row`,
      );
    }
    return join(this.directory, name);
  }

  /** Adds the instance of a row to the fleet, without starting it. */
  register(row: DatabaseRow, email: string | null): CatalogEntry {
    const known = this.#entries.get(row.name);
    if (known) return known;
    const superuserToken = this.#createTokenSource(row);
    const runner = this.#deps.fleet.add(
      this.#createSpec(row, email, superuserToken),
      row.port > 0 ? row.port : null,
    );
    const entry = { row, runner, superuserToken };
    this.#entries.set(row.name, entry);
    this.#byUser.set(row.user, entry);
    this.#noteChange(row.name);
    return entry;
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

  /** An instance whose secret cannot be opened still serves its owner; each request for a token fails with the reason. */
  #createTokenSource(row: DatabaseRow): TokenSource {
    const { masterKeys, clock, log } = this.#deps;
    try {
      return superuserTokens(unseal(masterKeys, row.superuser_secret, secretBelongsTo(row.user)), clock);
    } catch (error) {
      log.error({ instance: row.name }, messageOf(error));
      return () => Promise.reject(error);
    }
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

  /** @throws FathomError `not_found` */
  get(name: string): CatalogEntry {
    const entry = this.#entries.get(name);
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
  adjust({ row, runner }: CatalogEntry): void {
    adjustStopped(this.#preparation(row, runner.spec.log));
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

  #createSpec(row: DatabaseRow, email: string | null, superuserToken: TokenSource): InstanceSpec {
    const { settings, binary, clock, ports, guard, config, log, accounts } = this.#deps;
    const directory = this.directoryOf(row.name);
    const [key] = settingsKeys(config, row.name);
    const instanceLog = new InstanceLog(
      join(settings.instanceLogsDir, `${row.name}.log`),
      clock,
      settings.logLimits,
    );
    const logLimit = requestLogLimit(requestLogFileOf(directory), { instance: row.name, log });
    return {
      name: row.name,
      kind: 'user',
      userId: row.user,
      email,
      createdAt: toIsoTime(row.created),
      directory,
      log: instanceLog,
      binary,
      host: settings.bindAddress,
      port: { preferred: ports.preferredFor(row.user) },
      migrationsDir: null,
      hooksDir: null,
      hooksPool: 1,
      environment: { ...THUMBNAIL_LIMITS, [ENCRYPTION_VARIABLE]: key, [GUARD_VARIABLE]: guardId(guard) },
      prepare: (signal) => {
        logLimit.beforeStart();
        return prepareDatabase(this.#preparation(row, instanceLog), signal);
      },
      onReplaced: () => {
        log.warn({ instance: row.name }, 'its data.db was replaced, as by a restore of PocketBase');
        accounts.changed(row.user);
        if (isOpenToOthers(dataDirOf(directory))) this.#restartToClose(row.name);
      },
      publicUrl: (port) => settings.publicUrl(row.name, port),
      probeAuthorization: superuserToken,
      savePort: (port) => this.savePort(row.name, port),
      onPort: (port) => {
        logLimit.afterStart();
        void this.savePort(row.name, port);
      },
      limits: () => this.#limitsOf(row),
      sleepAfterMs: () => this.#limitsOf(row).sleep_after * MINUTE_MS || null,
      isDeveloper: () => row.developer,
    };
  }

  #limitsOf(row: DatabaseRow): InstanceLimits {
    const { memory_mb, disk_mb, sleep_after } = this.#deps.plans.limitsOf(row.plan ?? '', ownLimitsOf(row));
    return { memory_bytes: toBytes(memory_mb), disk_bytes: toBytes(disk_mb), sleep_after };
  }

  /** Publishes the state of databases whose limits have changed with their plan or the settings. */
  plansChanged(hasChanged: (plan: string) => boolean): void {
    for (const { row, runner } of this.#entries.values())
      if (hasChanged(row.plan ?? '')) runner.state.update({});
  }

  /** Describes what `prepareDatabase` must do for this database now. */
  #preparation(row: DatabaseRow, instanceLog: InstanceLog): Preparation {
    const { settings, binary, clock, guard, config, log, accounts, driver, template } = this.#deps;
    const directory = this.directoryOf(row.name);
    const keys = settingsKeys(config, row.name);
    const change = (stored: Settings) => {
      const guarded = applyGuard(stored, guard);
      return allowDaemonAddresses(guarded ?? stored, daemonAddresses(settings.bindAddress)) ?? guarded;
    };
    return {
      name: row.name,
      dataDir: dataDirOf(directory),
      lockFile: lockFileOf(directory),
      binary: binary.path,
      environment: { [ENCRYPTION_VARIABLE]: keys[0] },
      instanceLog,
      template: template.current,
      ownership: this.#ownershipOf(row),
      account: accounts.beforeStart(row.name),
      settings: settingsOfInstance({ name: row.name, keys, log, change }),
      driver,
      clock,
      log,
    };
  }

  /** Restarts a database whose accounts are open to others; its start restores the rules. */
  #restartToClose(name: string): void {
    this.#deps.fleet.restart(name).catch((error: unknown) => {
      this.#deps.log.error({ instance: name }, `its accounts are open to others: ${messageOf(error)}`);
    });
  }

  #ownershipOf(row: DatabaseRow): Ownership {
    const { masterKeys, clock } = this.#deps;
    let superuser: Ownership['superuser'];
    try {
      superuser = superuserKeys(unseal(masterKeys, row.superuser_secret, secretBelongsTo(row.user)));
    } catch {
      // A request for a token reports the error.
      superuser = null;
    }
    return { ownerId: row.user, superuser, now: clock.now() };
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
