import type { Instance } from '../../../shared/api/instances.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { BackupErasure, TrashedDatabase } from '../../../shared/hooks/control-plane-routes.ts';
import type { AuditTrail } from '../../audit/audit-trail.ts';
import { KeyedMutex } from '../../base/keyed-mutex.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import { toIsoTime, toPocketBaseDate } from '../../pocketbase/data/sqlite.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import type { PortAllocator } from '../../supervisor/start/ports.ts';
import { type Catalog, type CatalogEntry, requireUnchanged } from '../catalog.ts';
import type { DatabaseRepository } from '../database-repository.ts';
import { deletedAfterMove } from '../elsewhere/databases-elsewhere.ts';
import type { FleetShare } from '../elsewhere/fleet-share.ts';
import type { DatabaseLifecycle } from '../lifecycle.ts';
import type { OwnerSync } from '../owner/owner-sync.ts';
import type { TrashRepository } from './trash-repository.ts';
import { deletedDatabase } from './trashed-databases.ts';

const DAY_MS = 86_400_000;
/** Longest wait between two looks for databases whose time is over. */
const LOOK_EVERY_MS = 60_000;

export interface TrashDeps {
  catalog: Catalog;
  fleet: Fleet;
  ports: PortAllocator;
  repository: TrashRepository;
  databases: DatabaseRepository;
  lifecycle: Pick<DatabaseLifecycle, 'delete' | 'removeFiles'>;
  ownerSync: Pick<OwnerSync, 'readAccount'>;
  settings: Pick<LiveSettings, 'trashDays'>;
  share: Pick<FleetShare, 'leader'> | null;
  isRestoring: (name: string) => boolean;
  /** Begins the last backup of a database. */
  backUp: (name: string) => void;
  /** Begins the erasure of the backups of a database that was erased. */
  eraseBackups: (erasure: Pick<BackupErasure, 'database' | 'account' | 'requested'>) => void;
  audit: Pick<AuditTrail, 'recordDaemonAction'>;
  clock: Clock;
  log: Logger;
}

interface DeleteOptions {
  withAccount: boolean;
  byOwner?: boolean;
}

/** Why an erasure has not ended. */
export interface ErasureProblem {
  message: string;
  since: Date;
}

/**
 * Databases that were deleted. Their files stay where they are, and their rows and ports stay theirs:
 *
 *   ready ──▶ trashed ──(erase_at, or at once)──▶ deleting ──▶ no files ──▶ no row, no account
 *     ▲          │ undelete                                                  │
 *     └──────────┘                                                           └──▶ backups erased
 *
 * Each arrow is one transaction of the control plane, or can be repeated, so a new daemon continues after any of them.
 */
export class DatabaseTrash {
  readonly #deps: TrashDeps;
  readonly #turns = new KeyedMutex();
  readonly #problems = new Map<string, ErasureProblem>();
  #loop: Loop | null = null;

  constructor(deps: TrashDeps) {
    this.#deps = deps;
  }

  /** Reads what is in the trash. Call it before instances start: the ports are not free. */
  async load(): Promise<void> {
    const { catalog, ports, repository } = this.#deps;
    for (const database of await repository.list()) {
      catalog.trashed.add(database);
      ports.reserve(database.name, database.port);
    }
  }

  /** Erases databases when their time is over. */
  start(): void {
    this.#loop = startLoop(this.#deps.clock, async () => {
      await this.#eraseDue();
      return LOOK_EVERY_MS;
    });
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Why a database in the trash could not be erased; null without a problem. */
  problemOf(name: string): ErasureProblem | null {
    return this.#problems.get(name) ?? null;
  }

  /**
   * Deletes a database. It goes to the trash, or is erased at once with DATABASE_TRASH_DAYS=0. Can be repeated.
   *
   * @param options.withAccount its account is deleted as well
   * @param options.byOwner its owner deletes it, and may bring it back
   * @throws FathomError `not_found`; `conflict` while a rollout or a restore changes its files, and on a member of a cluster;
   * `instance.failed` when its process does not end
   */
  delete(name: string, { withAccount, byOwner = false }: DeleteOptions): Promise<void> {
    return this.#turns.run(name, async () => {
      this.#requireLeader(name);
      const { catalog, lifecycle, settings, eraseBackups, clock } = this.#deps;
      const trashed = catalog.trashed.find(name);
      if (trashed) {
        if (withAccount) await this.#deleteAccount(trashed);
        return;
      }
      const entry = catalog.get(name);
      const isUsed = entry.row.state === 'ready' || entry.row.state === 'trashed';
      if (isUsed && (settings.trashDays > 0 || entry.row.state === 'trashed'))
        return this.#moveToTrash(entry, { withAccount, byOwner });
      // One that is not complete has nothing to keep.
      await lifecycle.delete(name, { withAccount });
      const requested = toPocketBaseDate(clock.now());
      eraseBackups({ database: name, account: withAccount, requested });
    });
  }

  /**
   * Brings a database back, with its account if that was deleted with it.
   *
   * @throws FathomError `not_found`, `conflict` for one that is not in the trash and on a member of a cluster,
   * `instance.failed` when it does not start
   */
  undelete(name: string): Promise<Instance> {
    return this.#turns.run(name, async () => {
      this.#requireLeader(name);
      const { catalog, repository, databases, ownerSync, fleet, log } = this.#deps;
      const trashed = this.#requireTrashed(name);
      if (!(await repository.undelete(trashed.id)))
        throw new FathomError('conflict', `${name} is being erased, and cannot come back`);
      const row = (await databases.list()).rows.find((one) => one.id === trashed.id);
      if (!row) throw new FathomError('not_found', `the row of ${name} was deleted in the meantime`);
      const entry = catalog.register(row, row.email);
      catalog.trashed.remove(name);
      this.#problems.delete(name);
      log.warn({ instance: name, user: row.user }, 'brought back a deleted database');
      // Otherwise the start would use the account of the time of the deletion.
      await ownerSync.readAccount(row.user);
      if (row.desired === 'running') return fleet.start(name, { force: true });
      return entry.runner.state.view();
    });
  }

  /**
   * Erases a database that is in the trash: its files, its row and its account now, its backups as soon as the target allows.
   *
   * @throws FathomError `not_found`, `conflict` for one that is not in the trash and on a member of a cluster; the error of the
   * disk, after which it is tried again
   */
  erase(name: string): Promise<void> {
    return this.#turns.run(name, async () => {
      this.#requireLeader(name);
      await this.#erase(this.#requireTrashed(name));
    });
  }

  /** Only the leader erases databases: a member would keep the files and the replica of one that it runs. */
  #requireLeader(name: string): void {
    const { share, catalog } = this.#deps;
    const leader = share?.leader ?? null;
    if (leader === null) {
      const other = catalog.elsewhere.find(name);
      if (other !== null) throw deletedAfterMove(other);
      return;
    }
    const { node } = leader;
    const move =
      catalog.find(name) === null ? '' : `move it there ('fathomd databases move ${name} ${node}'), then `;
    throw new FathomError(
      'conflict',
      `node ${node} deletes the databases of this fleet, and brings them back; ${move}use the commands or the API of that node`,
    );
  }

  async #moveToTrash(entry: CatalogEntry, { withAccount, byOwner }: Required<DeleteOptions>): Promise<void> {
    const { catalog, fleet, repository, settings, isRestoring, backUp, clock, log } = this.#deps;
    const { id, name, user } = entry.row;
    requireUnchanged(entry);
    if (isRestoring(name))
      throw new FathomError('conflict', `${name} is being restored; wait for its end, then delete it`);
    const now = clock.now();
    const request = {
      id,
      deleted_at: toPocketBaseDate(now),
      erase_at: toPocketBaseDate(new Date(now.getTime() + settings.trashDays * DAY_MS)),
      with_account: withAccount,
      by_owner: byOwner,
    };
    // From now on nothing starts it again.
    const before = entry.row.state;
    entry.row.state = 'trashed';
    try {
      if (!(await repository.trash(request)))
        throw new FathomError('not_found', `the row of ${name} was deleted in the meantime`);
    } catch (error) {
      entry.row.state = before;
      throw error;
    }
    const trashed = (await repository.list()).find((one) => one.id === id);
    if (trashed) catalog.trashed.add(trashed);
    // Also ends a start that began before the state changed.
    await fleet.remove(name, { keepsPort: true });
    catalog.forget(name);
    log.warn({ instance: name, user, erase_at: trashed?.erase_at }, 'moved a database to the trash');
    backUp(name);
  }

  /** Its database was deleted before. The owner cannot sign in since then, so an administrator deletes it. */
  async #deleteAccount(trashed: TrashedDatabase): Promise<void> {
    const { id, deleted_at, erase_at } = trashed;
    await this.#deps.repository.trash({ id, deleted_at, erase_at, with_account: true, by_owner: false });
    trashed.with_account = true;
    trashed.deleted_by_owner = false;
  }

  async #eraseDue(): Promise<void> {
    const { catalog, clock, log, audit } = this.#deps;
    for (const { name, erase_at } of catalog.trashed.all()) {
      if (Date.parse(toIsoTime(erase_at)) > clock.now().getTime() && !this.#problems.has(name)) continue;
      try {
        await this.erase(name);
        await audit.recordDaemonAction({ action: 'database.erase', target: name, outcome: 'ok', detail: '' });
      } catch (error) {
        // It came back in the meantime, or was erased.
        if (catalog.trashed.find(name) === null) continue;
        log.error(
          { err: error, instance: name },
          `cannot erase ${name}, it is tried again: ${messageOf(error)}`,
        );
      }
    }
  }

  async #erase({ id, name, user, with_account: account }: TrashedDatabase): Promise<void> {
    const { databases, repository, lifecycle, eraseBackups, clock, log } = this.#deps;
    const requested = toPocketBaseDate(clock.now());
    try {
      await databases.update(id, { state: 'deleting' });
      await lifecycle.removeFiles(name);
      await repository.noteErased(id, { requested, account: false });
    } catch (error) {
      if (error instanceof FathomError && error.code === 'not_found') this.#forget(name);
      else this.#noteProblem(name, error);
      throw error;
    }
    this.#forget(name);
    log.warn({ instance: name, user }, 'erased a deleted database');
    eraseBackups({ database: name, account, requested });
  }

  #noteProblem(name: string, error: unknown): void {
    const since = this.#problems.get(name)?.since ?? this.#deps.clock.now();
    this.#problems.set(name, { message: messageOf(error), since });
  }

  /** It is erased, or its row was deleted by hand: then its files stay. */
  #forget(name: string): void {
    const { catalog, ports } = this.#deps;
    this.#problems.delete(name);
    catalog.trashed.remove(name);
    ports.release(name);
  }

  #requireTrashed(name: string): TrashedDatabase {
    const { catalog } = this.#deps;
    const trashed = catalog.trashed.find(name);
    if (trashed) return trashed;
    if (catalog.find(name)) throw new FathomError('conflict', `${name} is not deleted`);
    throw new FathomError('not_found', `there is no deleted database named '${name}'`);
  }
}

/** @throws FathomError `database.deleted` when a database is in the trash */
export function requireNotTrashed({ trashed }: Pick<Catalog, 'trashed'>, name: string): void {
  const found = trashed.find(name);
  if (found) throw deletedDatabase(name, found.erase_at);
}
