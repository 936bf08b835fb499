import { join } from 'node:path';
import type { DatabaseAccessLevel } from '../../shared/access.ts';
import type { InstanceLimits, PhaseReason } from '../../shared/api/instances.ts';
import { messageOf } from '../../shared/errors.ts';
import type { DatabaseRow } from '../../shared/hooks/control-plane-routes.ts';
import { MIN_MEMORY_MB, MIN_SLEEP_AFTER, type OwnLimits } from '../../shared/limits.ts';
import type { Plans } from '../accounts/plans/plans.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config, LogLimits } from '../config/config.ts';
import { settingsKeys } from '../keys/derived-keys.ts';
import { type MasterKey, unseal } from '../keys/envelope.ts';
import { superuserKeys, superuserTokens, type TokenSource } from '../keys/instance-access.ts';
import { type Binaries, isVerified } from '../pocketbase/binary/binaries.ts';
import type { Binary } from '../pocketbase/binary/binary.ts';
import type { Adjustment } from '../pocketbase/data/adjustment.ts';
import {
  applyGuard,
  daemonAddresses,
  type GuardSettings,
  guardId,
} from '../pocketbase/data/guard-settings.ts';
import { hasAutomaticBackups, readSettings, type Settings } from '../pocketbase/data/settings.ts';
import { toIsoTime, withDatabase, writeStamp } from '../pocketbase/data/sqlite.ts';
import { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import { requestLogLimit } from '../pocketbase/logs/request-log-limit.ts';
import { ENCRYPTION_VARIABLE, THUMBNAIL_LIMITS } from '../pocketbase/process/command.ts';
import type { ProcessDriver } from '../pocketbase/process/process-driver.ts';
import { addHook, hasHook, removeHook } from '../supervisor/instance-hooks.ts';
import { dataDirOf, type InstanceSpec, lockFileOf, requestLogFileOf } from '../supervisor/instance-spec.ts';
import type { PortAllocator } from '../supervisor/start/ports.ts';
import { settingsOfInstance } from '../supervisor/start/prepare-settings.ts';
import { type ServedPaths, servedPaths } from './applications/assembled.ts';
import { namesOf } from './applications/choice.ts';
import { noteNeededHooks, readNeededHooks } from './applications/needed-hooks.ts';
import { readServedRecord } from './applications/served-record.ts';
import type { ArchivedDatabases } from './archive/archived-databases.ts';
import { hasServedHooks, neededApplications, recordServed, serveApplications } from './database-hooks.ts';
import { applyAccess } from './developer/developer-settings.ts';
import { developerPorts, type ForbiddenSection, findForbidden, hookTargets } from './developer/targets.ts';
import { heldMigrations } from './migrations/held-migrations.ts';
import type { Ownership } from './owner/ownership.ts';
import { isOpenToOthers, type Preparation, prepareDatabase } from './provisioning/prepare-database.ts';
import type { Templates } from './provisioning/templates.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;

/** Runtimes of hooks. The hooks of one save run inside each other, and PocketBase makes a new runtime when none is free. */
const HOOKS_POOL = 4;

/** Holds a hash of the settings of a process. A process with other settings is not taken over. */
const GUARD_VARIABLE = 'FATHOM_GUARD';

export interface UserInstanceDeps {
  ports: PortAllocator;
  driver: ProcessDriver;
  templates: Pick<
    Templates,
    'of' | 'prepare' | 'choice' | 'inDirectory' | 'has' | 'isOwn' | 'refreshWhenCopied'
  >;
  masterKeys: readonly MasterKey[];
  config: Pick<Config, 'pbEncryptionKey' | 'previousPbEncryptionKey' | 'ownerAccess'>;
  plans: Pick<Plans, 'databaseLimitsOf' | 'ownLimits'>;
  guard: GuardSettings;
  binaries: Pick<Binaries, 'of' | 'problemOf' | 'versionOf'>;
  clock: Clock;
  log: Logger;
  /** Copies the owner's account into a database. */
  accounts: { beforeStart(name: string): Adjustment | null; changed(userId: string): void };
  settings: {
    userDatabasesDir: string;
    assembledDir: string;
    appDir: string;
    instanceLogsDir: string;
    logLimits: LogLimits;
    bindAddress: string;
    publicUrl: (name: string, port: number) => string;
  };
}

/** What its data said when its files had this stamp. */
interface OwnFacts {
  stamp: string;
  /** Whether PocketBase has jobs of its own. */
  hasJobs: boolean;
  /** See `readNeededHooks`. */
  neededHooks: readonly string[] | null;
}

/** What an instance reports to the catalog. */
interface Owner {
  readonly archived: Pick<ArchivedDatabases, 'reasonOf' | 'bringBack'>;
  savePort(name: string, port: number): Promise<boolean>;
  /** Restarts a database whose accounts are open to others; its start restores the rules. */
  restartToClose(name: string): void;
}

/** Returns the owner to which the envelope of a superuser secret is bound, so that it is useless in another row. */
export function secretBelongsTo(userId: string): string {
  return `user_databases/${userId}/superuser_secret`;
}

/**
 * The instance of a user database. A host has thousands without a process, so keys, logs and everything else that only a
 * start needs are created when they are used.
 */
export class UserInstance implements InstanceSpec {
  readonly email: string | null;
  readonly #row: DatabaseRow;
  readonly #deps: UserInstanceDeps;
  readonly #owner: Owner;
  #log: InstanceLog | null = null;
  #tokens: TokenSource | null = null;
  #facts: OwnFacts | null = null;
  #waitsForHooks = false;
  #requestLogLimit: ReturnType<typeof requestLogLimit> | null = null;
  /** Settings that the next start turns off. */
  #forbidden: readonly ForbiddenSection[] = [];

  constructor(row: DatabaseRow, email: string | null, deps: UserInstanceDeps, owner: Owner) {
    this.#row = row;
    this.email = email;
    this.#deps = deps;
    this.#owner = owner;
  }

  get name(): string {
    return this.#row.name;
  }

  get kind(): 'user' {
    return 'user';
  }

  get userId(): string {
    return this.#row.user;
  }

  get createdAt(): string {
    return toIsoTime(this.#row.created);
  }

  get directory(): string {
    return join(this.#deps.settings.userDatabasesDir, this.name);
  }

  get log(): InstanceLog {
    const { instanceLogsDir, logLimits } = this.#deps.settings;
    this.#log ??= new InstanceLog(join(instanceLogsDir, `${this.name}.log`), this.#deps.clock, logLimits);
    return this.#log;
  }

  get binary(): Binary {
    return this.#deps.binaries.of(this.#row.pocketbase_version);
  }

  get pinnedVersion(): string | null {
    return this.#row.pocketbase_version || null;
  }

  archived(): PhaseReason | null {
    return this.#owner.archived.reasonOf(this.name);
  }

  async bringBack(signal: AbortSignal): Promise<PhaseReason | null> {
    if (this.archived() === null) return null;
    // Without it, the files would come back for nothing.
    return (await this.binaryProblem()) ?? this.#owner.archived.bringBack(this.name, signal);
  }

  binaryProblem(): Promise<PhaseReason | null> {
    return this.#deps.binaries.problemOf(this.#row.pocketbase_version);
  }

  versionOf(sha256: string): string | null {
    return this.#deps.binaries.versionOf(sha256);
  }

  get host(): string {
    return this.#deps.settings.bindAddress;
  }

  get port(): { preferred: number } {
    return { preferred: this.#deps.ports.preferredFor(this.#row.user) };
  }

  /** `prepare` applies the migrations. */
  get migrationsDir(): null {
    return null;
  }

  get hooksDir(): string | null {
    return this.served.hooksDir;
  }

  get publicDir(): string | null {
    return this.served.publicDir;
  }

  /** Its applications, see `formatChoice`. */
  get choice(): string {
    return this.#row.applications || this.#deps.templates.choice;
  }

  applications(): string[] {
    return namesOf(this.choice, this.#deps.templates.inDirectory);
  }

  /** What it serves of applications after its next start with a choice of them, when its migrations work. */
  nextServed(choice = this.choice): ServedPaths {
    const template = this.#deps.templates.of(this.binary, choice).current;
    return template === null ? this.served : servedPaths(this.#deps.settings.assembledDir, template.served);
  }

  /** What it serves of applications, as of its last start. */
  get served(): ServedPaths {
    const record = readServedRecord(this.directory);
    return servedPaths(this.#deps.settings.assembledDir, record?.served ?? null);
  }

  get hooksPool(): number {
    return this.served.hooksDir === null ? 1 : HOOKS_POOL;
  }

  get environment(): Record<string, string> {
    const { config, guard } = this.#deps;
    const [key] = settingsKeys(config, this.name);
    return {
      ...THUMBNAIL_LIMITS,
      [ENCRYPTION_VARIABLE]: key,
      [GUARD_VARIABLE]: `${guardId(guard)}${this.access() === 'app' ? '' : '-developer'}`,
    };
  }

  async prepare(signal: AbortSignal): Promise<PhaseReason | null> {
    this.#logLimit.beforeStart();
    const { templates } = this.#deps;
    if (this.#waitsForHooks) await templates.refreshWhenCopied();
    await templates.prepare(this.binary, this.choice);
    await this.prepareAccess();
    const preparation = this.preparation();
    const prepared = await prepareDatabase(preparation, signal);
    if (signal.aborted) return prepared.reason;
    this.#waitsForHooks = true;
    const limitation = await serveApplications(this, preparation, prepared, this.#deps, signal);
    this.#waitsForHooks = false;
    return limitation;
  }

  /** Records what a new database serves, which may sleep until its first request. */
  async noteServed(): Promise<void> {
    const template = this.#deps.templates.of(this.binary, this.choice).current;
    if (template?.served) await recordServed(this, template, null);
    // Its choice may name applications that are not there. It has no hooks of them to lose.
    else if (neededApplications(this, () => null, this.#deps).length > 0) noteNeededHooks(this.#dataFile, []);
  }

  /** Names of applications whose hooks it needs, also of those whose files are gone. */
  neededApplications(): string[] {
    return neededApplications(this, () => this.#ownFacts()?.neededHooks ?? null, this.#deps);
  }

  onReplaced(): void {
    const { log, accounts } = this.#deps;
    log.warn({ instance: this.name }, 'its data.db was replaced, as by a restore of PocketBase');
    accounts.changed(this.#row.user);
    if (isOpenToOthers(dataDirOf(this.directory))) this.#owner.restartToClose(this.name);
  }

  /** Provisioning ends with the first run. */
  hasServed(): boolean {
    return this.#row.state !== 'provisioning';
  }

  publicUrl(port: number): string {
    return this.#deps.settings.publicUrl(this.name, port);
  }

  get probeAuthorization(): TokenSource {
    return this.superuserToken;
  }

  savePort(port: number): Promise<boolean> {
    return this.#owner.savePort(this.name, port);
  }

  onPort(port: number): void {
    this.#logLimit.afterStart();
    void this.savePort(port);
  }

  get #logLimit(): ReturnType<typeof requestLogLimit> {
    const { log } = this.#deps;
    this.#requestLogLimit ??= requestLogLimit(requestLogFileOf(this.directory), { instance: this.name, log });
    return this.#requestLogLimit;
  }

  limits(): InstanceLimits {
    const { memory_mb, disk_mb, sleep_after } = this.#deps.plans.databaseLimitsOf(
      this.#row.plan ?? '',
      ownLimitsOf(this.#row),
    );
    return { memory_bytes: toBytes(memory_mb), disk_bytes: toBytes(disk_mb), sleep_after };
  }

  sleepAfterMs(): number | null {
    return this.limits().sleep_after * MINUTE_MS || null;
  }

  staysAwake(): boolean {
    const ofPlan = this.#deps.plans.ownLimits(this.#row.plan ?? '').sleep_after;
    return (ownLimitsOf(this.#row).sleep_after ?? ofPlan) === 0;
  }

  get #dataFile(): string {
    return `${dataDirOf(this.directory)}/data.db`;
  }

  /** Notes whether its files, which were created just now, contain jobs. */
  noteOwnJobs(hasJobs: boolean): void {
    this.#facts = { stamp: writeStamp(this.#dataFile), hasJobs, neededHooks: [] };
  }

  hasOwnJobs(): boolean {
    if (readServedRecord(this.directory)?.served?.hasJobs === true) return true;
    return this.#ownFacts()?.hasJobs ?? false;
  }

  /** Null when its files cannot be read: the next start reports that. */
  #ownFacts(): OwnFacts | null {
    const file = this.#dataFile;
    const keys = settingsKeys(this.#deps.config, this.name);
    try {
      const stamp = writeStamp(file);
      if (this.#facts?.stamp === stamp) return this.#facts;
      return withDatabase(file, { readOnly: true }, (database) => {
        const stored = readSettings(database, keys);
        const hasJobs = stored !== null && hasAutomaticBackups(stored.settings);
        this.#facts = { stamp, hasJobs, neededHooks: readNeededHooks(database) };
        return this.#facts;
      });
    } catch {
      return null;
    }
  }

  isDeveloper(): boolean {
    return this.#row.developer;
  }

  access(): DatabaseAccessLevel {
    return this.#row.access || this.#deps.config.ownerAccess.access;
  }

  connectPorts(): number[] | null {
    return this.access() === 'developer'
      ? developerPorts(this.#deps.config.ownerAccess.allowedTargets)
      : null;
  }

  isPrepared(): boolean {
    return !this.hasOtherAccess() && hasServedHooks(this.directory, this.#deps.settings.assembledDir);
  }

  /** Whether its files are those of another access. */
  hasOtherAccess(): boolean {
    return hasHook(this.directory, 'guard-developer') !== (this.access() === 'developer');
  }

  /** Gives it the hooks of its access, and finds settings that a developer may not have. */
  async prepareAccess(): Promise<void> {
    const { allowedTargets } = this.#deps.config.ownerAccess;
    this.#forbidden = [];
    if (this.access() === 'app') return removeHook(this.directory, 'guard-developer');
    await addHook(this, 'guard-developer', hookTargets(allowedTargets));
    try {
      const keys = settingsKeys(this.#deps.config, this.name);
      const stored = withDatabase(this.#dataFile, { readOnly: true }, (database) =>
        readSettings(database, keys),
      );
      if (stored !== null) this.#forbidden = await findForbidden(stored.settings, allowedTargets);
    } catch (error) {
      // The following steps of the start report a problem of its files.
      this.#deps.log.warn({ instance: this.name }, `cannot read the settings: ${messageOf(error)}`);
    }
    if (this.#forbidden.length > 0)
      this.#deps.log.warn(
        { instance: this.name, settings: this.#forbidden },
        'turning off settings of a developer that lead to services of this host or its network',
      );
  }

  readonly superuserToken: TokenSource = () => {
    this.#tokens ??= this.#createTokenSource();
    return this.#tokens();
  };

  /** An instance whose secret cannot be opened still serves its owner; each request for a token fails with the reason. */
  #createTokenSource(): TokenSource {
    const { clock, log } = this.#deps;
    try {
      return superuserTokens(this.#superuserSecret(), clock);
    } catch (error) {
      log.error({ instance: this.name }, messageOf(error));
      return () => Promise.reject(error);
    }
  }

  /** @throws FathomError `secret.undecryptable` */
  #superuserSecret(): Buffer {
    const { superuser_secret, user } = this.#row;
    return unseal(this.#deps.masterKeys, superuser_secret, secretBelongsTo(user));
  }

  /** Describes what `prepareDatabase` must do for this database now. */
  preparation(choice = this.choice): Preparation {
    const { settings, clock, guard, config, log, accounts, driver, templates } = this.#deps;
    const { name, directory, binary } = this;
    const keys = settingsKeys(config, name);
    const change = (stored: Settings) => {
      const guarded = applyGuard(stored, guard);
      const addresses = daemonAddresses(settings.bindAddress);
      const rules = { access: this.access(), addresses, forbidden: this.#forbidden };
      return applyAccess(guarded ?? stored, rules) ?? guarded;
    };
    return {
      name,
      dataDir: dataDirOf(directory),
      lockFile: lockFileOf(directory),
      binary: binary.path,
      version: binary.version,
      isPinned: this.pinnedVersion !== null,
      environment: { [ENCRYPTION_VARIABLE]: keys[0] },
      instanceLog: this.log,
      template: isVerified(binary) ? templates.of(binary, choice).current : null,
      heldMigrations: heldMigrations(directory),
      ownership: this.#ownership(),
      account: accounts.beforeStart(name),
      settings: settingsOfInstance({ name, keys, log, change }),
      driver,
      clock,
      log,
    };
  }

  #ownership(): Ownership {
    const { user } = this.#row;
    let superuser: Ownership['superuser'];
    try {
      superuser = superuserKeys(this.#superuserSecret());
    } catch {
      // A request for a token reports the error.
      superuser = null;
    }
    return { ownerId: user, access: this.access(), superuser, now: this.#deps.clock.now() };
  }
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
