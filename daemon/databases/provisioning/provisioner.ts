import { join } from 'node:path';
import { usernameOf, utcDay } from '../../../shared/database-name.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { Reservation } from '../../../shared/hooks/control-plane-routes.ts';
import { exists } from '../../base/files/dir.ts';
import type { Logger } from '../../base/log/log.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { Clock } from '../../base/time/clock.ts';
import { instanceEncryptionKey } from '../../keys/derived-keys.ts';
import { type MasterKeys, unseal } from '../../keys/envelope.ts';
import { newSuperuserSecret, type SuperuserKeys, superuserKeys } from '../../keys/instance-access.ts';
import type { Seal } from '../../keys/master-keys.ts';
import type { GuardSettings } from '../../pocketbase/data/guard-settings.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import { type Catalog, type CatalogEntry, secretBelongsTo } from '../catalog.ts';
import type { DatabaseRepository } from '../database-repository.ts';
import { cloneTemplate } from './clone.ts';
import type { TemplateStore } from './template.ts';

/**
 * The steps of provisioning, in order. Each can be repeated, and each leaves behind what the next one needs, so a daemon
 * that died after any of them goes on from there:
 *
 *   reserved   the row is there (state `provisioning`), with the number, the name and the encrypted superuser secret
 *   cloned     the directory is there; it appears complete, by one rename
 *   running    the process answers
 *   ready      the row says so
 */
export type ProvisionStep = 'reserved' | 'cloned' | 'running' | 'ready';

export interface ProvisionerDeps {
  catalog: Catalog;
  fleet: Fleet;
  repository: DatabaseRepository;
  template: TemplateStore;
  masterKeys: MasterKeys;
  seal: Seal;
  pbEncryptionKey: Uint8Array;
  guard: GuardSettings;
  clock: Clock;
  log: Logger;
  /** Told after each step. */
  onStep: (step: ProvisionStep, name: string) => void;
  /** Told when a database was made with the account as it was at a time of the monotonic clock. */
  onCloned: (userId: string, accountAtMs: number) => void;
  /** Told when a user was given a database, or could not be. */
  onProvisioned: (outcome: 'ok' | 'failed', seconds: number) => void;
}

/** Gives each user one database, however many ask for it at a time. */
export class Provisioner {
  readonly #deps: ProvisionerDeps;
  readonly #flights = new SingleFlight<CatalogEntry>();
  readonly #notes = new SingleFlight<void>();

  constructor(deps: ProvisionerDeps) {
    this.#deps = deps;
  }

  /**
   * The user's database, made if there is none. When it is new, it runs on return.
   *
   * @throws FathomError `not_found`, `conflict`, `provision.failed`, `instance.failed`, `ports.exhausted`
   */
  ensure(user: { id: string; email: string }): Promise<CatalogEntry> {
    const known = this.#deps.catalog.findByUser(user.id);
    if (known?.row.state === 'ready') return Promise.resolve(known);
    return this.#flights.run(user.id, () => this.#measure(() => this.#provision(user)));
  }

  /** Resolves when no provisioning for this user is under way, however it ended. */
  async settled(userId: string): Promise<void> {
    await this.#flights.settled(userId);
    await this.#notes.settled(userId);
  }

  /** Resolves when no provisioning is under way. */
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

  async #provision(user: { id: string; email: string }): Promise<CatalogEntry> {
    const { catalog, clock, onStep, repository, seal } = this.#deps;
    const startedMs = clock.monotonic();
    const reservation = await repository.reserve({
      user: user.id,
      username: usernameOf(user.email),
      day: utcDay(clock.now()),
      // Wins only if there is no row yet.
      superuser_secret: seal(newSuperuserSecret(), secretBelongsTo(user.id)),
    });
    const { database, owner } = reservation;
    if (database.state === 'deleting') throw beingDeleted(database.name);
    onStep('reserved', database.name);
    // Known from here on, so that what gets stuck below is seen and can be deleted.
    const entry = catalog.register(database, owner.email);
    // A ready database whose directory is gone was lost, not left half made: that is for a person to mend.
    if (database.state === 'provisioning') await this.#make(entry, reservation, startedMs);
    onStep('cloned', database.name);

    if (entry.row.desired === 'running') {
      await this.#start(entry);
      onStep('running', database.name);
    }
    // Deleted meanwhile: whoever does that waits for this to end.
    if (entry.row.state === 'deleting') throw beingDeleted(database.name);
    if (entry.row.state !== 'ready') {
      this.#deps.log.info(
        { instance: database.name, user: user.id, took_ms: Math.round(clock.monotonic() - startedMs) },
        'provisioned a database',
      );
      this.#markReady(entry);
    }
    return entry;
  }

  /** The user need not wait for this: should it be lost, the next start finds everything there and notes it then. */
  #markReady(entry: CatalogEntry): void {
    const { name, user } = entry.row;
    const noted = this.#notes.run(user, async () => {
      await this.#deps.catalog.update(entry, { state: 'ready', port: entry.runner.state.observed.port ?? 0 });
      this.#deps.onStep('ready', name);
    });
    noted.catch((error: unknown) => {
      this.#deps.log.warn(
        { instance: name },
        `not noted as ready yet, it will be tried again: ${messageOf(error)}`,
      );
    });
  }

  /** Tries at once, whatever back-off an earlier failure left: somebody is waiting for this database. */
  async #start({ row, runner }: CatalogEntry): Promise<void> {
    try {
      await this.#deps.fleet.start(row.name, { force: row.state === 'provisioning' });
    } catch (error) {
      const { reason } = runner.state;
      if (reason?.code !== 'ports_exhausted') throw error;
      throw new FathomError('ports.exhausted', reason.message, { cause: error });
    }
  }

  async #make(entry: CatalogEntry, reservation: Reservation, accountAtMs: number): Promise<void> {
    try {
      await this.#makeDirectory(reservation, accountAtMs);
    } catch (error) {
      const { name, desired, state } = entry.row;
      const message = `it could not be made: ${messageOf(error)}; correct that, then run 'fathomd databases start ${name}'`;
      if (desired === 'running' && state === 'provisioning')
        entry.runner.giveUp({ code: 'provision_failed', message });
      throw error;
    }
  }

  async #makeDirectory({ created, database, owner }: Reservation, accountAtMs: number): Promise<void> {
    const directory = this.#deps.catalog.directoryOf(database.name);
    const secret = unseal(this.#deps.masterKeys, database.superuser_secret, secretBelongsTo(database.user));
    if (await exists(directory)) return refuseAnothers(directory, superuserKeys(secret));
    const request = {
      directory,
      name: database.name,
      owner,
      superuser: superuserKeys(secret),
      encryptionKey: instanceEncryptionKey(this.#deps.pbEncryptionKey, database.name),
      guard: this.#deps.guard,
      now: this.#deps.clock.now(),
    };
    try {
      await cloneTemplate({ ...request, template: (await this.#deps.template.get()).pbData });
    } catch (error) {
      if (error instanceof FathomError) throw error;
      throw new FathomError(
        'provision.failed',
        `${directory} could not be made: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
    // Only then the same transaction has checked that the account is active.
    if (created) this.#deps.onCloned(database.user, accountAtMs);
  }
}

/**
 * A control plane that was put back from a backup gives the names again that it gave after it: what lies there then is
 * somebody's data, and not this account's.
 *
 * @throws FathomError `provision.failed`
 */
function refuseAnothers(directory: string, { recordId }: SuperuserKeys): void {
  let isOurs: boolean;
  try {
    isOurs = withDatabase(join(dataDirOf(directory), 'data.db'), { readOnly: true }, (database) =>
      Boolean(database.prepare('SELECT 1 FROM _superusers WHERE id = ?').get(recordId)),
    );
  } catch {
    // What is wrong with the file is told by its start.
    return;
  }
  if (isOurs) return;
  throw new FathomError(
    'provision.failed',
    `${directory} holds a database that was made for another account; move it away`,
  );
}

function beingDeleted(name: string): FathomError {
  return new FathomError('conflict', `the database ${name} is being deleted; try again in a moment`);
}
