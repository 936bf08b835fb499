import { join } from 'node:path';
import { usernameOf, utcDay } from '../../../shared/database-name.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { Reservation, ReserveRequest } from '../../../shared/hooks/control-plane-routes.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import { exists } from '../../base/files/dir.ts';
import type { Logger } from '../../base/log/log.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import { instanceEncryptionKey } from '../../keys/derived-keys.ts';
import { type MasterKeys, unseal } from '../../keys/envelope.ts';
import { newSuperuserSecret, type SuperuserKeys, superuserKeys } from '../../keys/instance-access.ts';
import type { Seal } from '../../keys/master-keys.ts';
import type { GuardSettings } from '../../pocketbase/data/guard-settings.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import { NEW, type SleepWatch } from '../../supervisor/sleep/sleep-watch.ts';
import type { PortAllocator } from '../../supervisor/start/ports.ts';
import type { Catalog, CatalogEntry } from '../catalog.ts';
import type { DatabaseRepository } from '../database-repository.ts';
import { runsElsewhere } from '../elsewhere/databases-elsewhere.ts';
import type { DatabaseElsewhere } from '../elsewhere/elsewhere-instance.ts';
import type { FleetShare } from '../elsewhere/fleet-share.ts';
import type { OwnerKeys } from '../owner/owner-access.ts';
import { deletedDatabase } from '../trash/trashed-databases.ts';
import { secretBelongsTo } from '../user-instance.ts';
import { type NewDatabase, type StagedClone, stageClone } from './clone.ts';
import type { Templates } from './templates.ts';

/**
 * The steps of provisioning, in order. Each can be repeated and stores what the next one needs, so a new daemon continues
 * after any step:
 *
 *   reserved   the row exists (state `provisioning`), with the number, the name and the encrypted superuser secret
 *   cloned     the directory exists; it appears complete, by one rename
 *   running    the process answers, or a connection starts it
 *   ready      the row has the state `ready`
 */
export type ProvisionStep = 'reserved' | 'cloned' | 'running' | 'ready';

export interface ProvisionerDeps {
  catalog: Catalog;
  fleet: Fleet;
  ports: PortAllocator;
  repository: DatabaseRepository;
  templates: Pick<Templates, 'fleet' | 'choice'>;
  masterKeys: MasterKeys;
  seal: Seal;
  pbEncryptionKey: Uint8Array;
  guard: GuardSettings;
  /** Null for a single server. */
  share: Pick<FleetShare, 'leader'> | null;
  settings: Pick<LiveSettings, 'signUps'>;
  sleep: Pick<SleepWatch, 'startsAsleep'>;
  /** The disk has no space for another database. */
  isDiskHeld: () => boolean;
  clock: Clock;
  log: Logger;
  /** Called after each step. */
  onStep: (step: ProvisionStep, name: string) => void;
  /** Called before the account of the user is read. */
  onReserving: (userId: string) => void;
  /** Called after a database was created. `accountAtMs`: when its account was read, in monotonic time. */
  onCloned: (userId: string, accountAtMs: number, keys: OwnerKeys) => void;
  /** Called at the end of each provisioning. */
  onProvisioned: (outcome: 'ok' | 'failed', seconds: number) => void;
}

/** See `DatabaseRepository.reserve`. */
export type Reserve = (request: ReserveRequest) => Promise<Reservation>;

/** Creates the databases of users. Concurrent calls for one user share one provisioning. */
export class Provisioner {
  readonly #deps: ProvisionerDeps;
  readonly #flights = new SingleFlight<CatalogEntry>();
  readonly #notes = new SingleFlight<void>();

  constructor(deps: ProvisionerDeps) {
    this.#deps = deps;
  }

  /**
   * Returns the user's database, and creates it if there is none. A new database runs on return, or sleeps.
   *
   * @param reserve replaces the request of `DatabaseRepository.reserve`
   * @throws FathomError `not_found`, `conflict`, `provision.failed`, `instance.failed`, `ports.exhausted`,
   * `address.unverified`, `database.deleted`, `databases.limit_reached`
   */
  ensure(
    user: { id: string; email: string },
    reserve: Reserve = (request) => this.#deps.repository.reserve(request),
  ): Promise<CatalogEntry> {
    const known = this.#deps.catalog.findByUser(user.id);
    if (known?.row.state === 'ready') return Promise.resolve(known);
    const other = this.elsewhere(user.id);
    if (other !== null) return Promise.reject(runsElsewhere(other));
    const leader = this.#deps.share?.leader ?? null;
    if (leader !== null && !known) return Promise.reject(createdElsewhere(leader));
    return this.#flights.run(user.id, () => this.#measure(() => this.#provision(user, reserve)));
  }

  /** The database of a user on this node. */
  find(userId: string): CatalogEntry | null {
    return this.#deps.catalog.findByUser(userId);
  }

  /** The database of a user that another node runs. */
  elsewhere(userId: string): DatabaseElsewhere | null {
    return this.#deps.catalog.elsewhere.findByUser(userId);
  }

  /** Resolves when no provisioning for this user is in progress. Never rejects. */
  async settled(userId: string): Promise<void> {
    await this.#flights.settled(userId);
    await this.#notes.settled(userId);
  }

  /** Resolves when no provisioning is in progress. */
  async idle(): Promise<void> {
    await this.#flights.idle();
    await this.#notes.idle();
  }

  async #measure(provision: () => Promise<CatalogEntry>): Promise<CatalogEntry> {
    const { clock, onProvisioned } = this.#deps;
    const startedMs = clock.monotonic();
    const seconds = () => (clock.monotonic() - startedMs) / 1000;
    try {
      const entry = await provision();
      onProvisioned('ok', seconds());
      return entry;
    } catch (error) {
      onProvisioned('failed', seconds());
      throw error;
    }
  }

  async #provision(user: { id: string; email: string }, reserve: Reserve): Promise<CatalogEntry> {
    const { catalog, clock, onReserving, onStep } = this.#deps;
    const startedMs = clock.monotonic();
    // Copies the template while the control plane reserves.
    await using clone = this.#stageClone();
    onReserving(user.id);
    const reservation = await this.#reserve(user, reserve);
    const { database, owner } = reservation;
    if (database.state === 'deleting') throw beingDeleted(database.name);
    if (database.state === 'trashed') throw deletedDatabase(database.name, database.erase_at ?? '');
    onStep('reserved', database.name);
    // Registered now, so that a database whose provisioning fails is listed and can be deleted.
    const entry = catalog.register(database, owner.email);
    // A ready database without a directory has lost its data: an administrator must decide what to do.
    if (database.state === 'provisioning') await this.#create(entry, clone, reservation, startedMs);
    onStep('cloned', database.name);

    if (entry.row.desired === 'running') {
      await this.#start(entry);
      onStep('running', database.name);
    }
    // A deletion has begun and waits for the end of this provisioning.
    if (entry.row.state === 'deleting' || entry.row.state === 'trashed') throw beingDeleted(database.name);
    if (entry.row.state !== 'ready') {
      this.#deps.log.info(
        { instance: database.name, user: user.id, took_ms: Math.round(clock.monotonic() - startedMs) },
        'provisioned a database',
      );
      this.#markReady(entry);
    }
    return entry;
  }

  /** Reserves the row together with the port, so that no other database gets the port of a row, also after a crash. */
  async #reserve(user: { id: string; email: string }, reserve: Reserve): Promise<Reservation> {
    const { clock, ports, seal, settings, templates, isDiskHeld } = this.#deps;
    const { mode, maxDatabases } = settings.signUps;
    // The name, which will own the port, comes with the row.
    const claimant = `user/${user.id}`;
    const port = await ports.claim(claimant, ports.preferredFor(user.id));
    try {
      const reservation = await reserve({
        user: user.id,
        username: usernameOf(user.email),
        day: utcDay(clock.now()),
        // Used only when there is no row yet.
        superuser_secret: seal(newSuperuserSecret(), secretBelongsTo(user.id)),
        applications: templates.choice,
        port,
        require_verified: mode === 'verified',
        max_databases: isDiskHeld() ? 0 : maxDatabases,
      });
      const { created, database } = reservation;
      if (created && database.port === port) ports.transfer(claimant, database.name);
      return reservation;
    } finally {
      ports.cancel(claimant, port);
    }
  }

  #stageClone(): StagedClone {
    const { catalog, templates } = this.#deps;
    return stageClone(
      templates.fleet.get().then(({ pbData }) => pbData),
      catalog.directory,
    );
  }

  /** Stores the state `ready` in the background. If this fails, the next start of the daemon stores it. */
  #markReady(entry: CatalogEntry): void {
    const { name, user } = entry.row;
    const stored = this.#notes.run(user, async () => {
      await this.#deps.catalog.markReady(entry);
      this.#deps.onStep('ready', name);
    });
    stored.catch((error: unknown) => {
      this.#deps.log.warn(
        { instance: name },
        `cannot store the state 'ready', it will be retried: ${messageOf(error)}`,
      );
    });
  }

  /**
   * Starts the instance, or lets it sleep until its first connection: many accounts are never used. A new one starts without the
   * back-off of earlier failures, because a user waits for it.
   */
  async #start({ row, runner }: CatalogEntry): Promise<void> {
    const isIn = (phase: InstancePhase) => runner.state.phase === phase;
    // Its template may have jobs.
    if (isIn('stopped') && !runner.spec.hasOwnJobs() && (await this.#deps.sleep.startsAsleep(runner))) {
      runner.startAsleep(NEW);
      await runner.holdPort();
      if (isIn('asleep')) return;
    }
    try {
      await this.#deps.fleet.start(row.name, { force: row.state === 'provisioning' });
    } catch (error) {
      const { reason } = runner.state;
      if (reason?.code !== 'ports_exhausted') throw error;
      throw new FathomError('ports.exhausted', reason.message, { cause: error });
    }
  }

  async #create(
    entry: CatalogEntry,
    clone: StagedClone,
    reservation: Reservation,
    accountAtMs: number,
  ): Promise<void> {
    try {
      await this.#createDirectory(entry, clone, reservation, accountAtMs);
    } catch (error) {
      const { name, desired, state } = entry.row;
      const message = `it could not be created: ${messageOf(error)}; fix the cause, then run 'fathomd databases start ${name}'`;
      if (desired === 'running' && state === 'provisioning')
        entry.runner.markFailed({ code: 'provision_failed', message });
      throw error;
    }
  }

  async #createDirectory(
    { instance }: CatalogEntry,
    clone: StagedClone,
    { created: isNew, database, owner }: Reservation,
    accountAtMs: number,
  ): Promise<void> {
    const directory = this.#deps.catalog.directoryOf(database.name);
    const secret = unseal(this.#deps.masterKeys, database.superuser_secret, secretBelongsTo(database.user));
    if (await exists(directory)) return requireSameDatabase(directory, superuserKeys(secret));
    const request = {
      directory,
      name: database.name,
      owner,
      superuser: superuserKeys(secret),
      encryptionKey: instanceEncryptionKey(this.#deps.pbEncryptionKey, database.name),
      guard: this.#deps.guard,
      now: this.#deps.clock.now(),
    };
    let created: NewDatabase;
    try {
      created = await clone.complete(request);
    } catch (error) {
      if (error instanceof FathomError) throw error;
      throw new FathomError('provision.failed', `cannot create ${directory}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    // For an existing row, the transaction did not check whether the account is active.
    if (isNew) this.#deps.onCloned(database.user, accountAtMs, created.ownerKeys);
    await instance.noteServed();
    instance.noteOwnJobs(created.hasOwnJobs);
  }
}

/**
 * Refuses a directory that belongs to another account. After a restore from a backup, the control plane assigns names again
 * that it had assigned after the backup.
 *
 * @throws FathomError `provision.failed`
 */
function requireSameDatabase(directory: string, { recordId }: SuperuserKeys): void {
  let isOurs: boolean;
  try {
    isOurs = withDatabase(join(dataDirOf(directory), 'data.db'), { readOnly: true }, (database) =>
      Boolean(database.prepare('SELECT 1 FROM _superusers WHERE id = ?').get(recordId)),
    );
  } catch {
    // The start reports a damaged file.
    return;
  }
  if (isOurs) return;
  throw new FathomError(
    'provision.failed',
    `${directory} contains the database of another account; move it away`,
  );
}

function createdElsewhere({ node }: { node: string }): FathomError {
  return new FathomError('conflict', `node ${node} creates the databases of this fleet; use its API`);
}

function beingDeleted(name: string): FathomError {
  return new FathomError('conflict', `the database ${name} is being deleted; try again in a moment`);
}
