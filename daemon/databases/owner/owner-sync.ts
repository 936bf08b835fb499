import { fullJitterMs } from '../../../shared/backoff.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { OwnerAccount } from '../../../shared/hooks/control-plane-routes.ts';
import type { Logger } from '../../base/log/log.ts';
import { type Clock, deadline } from '../../base/time/clock.ts';
import type { EventBus } from '../../events/bus.ts';
import type { Adjustment } from '../../pocketbase/data/adjustment.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { GLOBAL_NAME } from '../../supervisor/global-instance.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import type { Catalog } from '../catalog.ts';
import type { DatabaseRepository } from '../database-repository.ts';
import { createSuperuserClient } from '../instance-client.ts';
import type { OwnerKeys } from './owner-access.ts';
import { accountDiffers, writeAccount, writeOwnerAccount } from './owner-account.ts';

/** Retries for a busy database. After the last one, the next start of the global PocketBase checks all databases. */
const BACKOFF = { baseMs: 50, capMs: 5_000 };
const MAX_ATTEMPTS = 30;
/** How long a request waits for a busy database. */
const SYNC_TIMEOUT_MS = 10_000;

export interface OwnerSyncDeps {
  repository: Pick<DatabaseRepository, 'listOwners'>;
  catalog: Pick<Catalog, 'directoryOf' | 'find' | 'archived' | 'elsewhere'>;
  fleet: Pick<Fleet, 'restart'>;
  bus: Pick<EventBus, 'subscribe'>;
  clock: Clock;
  log: Logger;
  random: () => number;
}

/**
 * Copies changes of an account (password, address, activity, the end of its tokens) into the owner's own database, running
 * or not. Changes of a user during a run are copied together by the next run.
 */
export class OwnerSync {
  readonly #deps: OwnerSyncDeps;
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  /** Users whose last run failed. */
  readonly #unfinished = new Set<string>();
  /** The accounts that were read last, by database, for starts while the global PocketBase does not answer. */
  readonly #accounts = new Map<string, OwnerAccount>();
  /**
   * By user, when the account of a new database was read, in monotonic time, and the keys in that database. Removed when the
   * account may have changed.
   */
  readonly #cloned = new Map<string, { atMs: number; keys: OwnerKeys }>();
  /** Users whose database is being created, while their account has not changed. */
  readonly #creating = new Set<string>();
  readonly #stopping = new AbortController();
  /** The first reading of all accounts; null before it. */
  #loading: Promise<void> | null = null;
  /** Whether all accounts were read once. */
  #isLoaded = false;
  /** Accounts that were read one by one, by user, while all are being read. */
  #newer: Map<string, OwnerAccount> | null = null;
  #unsubscribe: (() => void) | null = null;

  constructor(deps: OwnerSyncDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when all accounts were read, or could not be; reads them at the first call. A start of a database waits for it.
   * Never rejects: databases start without them, too. `start` reads them again after a failure.
   */
  load(): Promise<void> {
    this.#loading ??= this.#load();
    return this.#loading;
  }

  async #load(): Promise<void> {
    try {
      await this.#readAll();
    } catch (error) {
      this.#deps.log.error(
        { err: error },
        `cannot read the accounts, so databases start with the accounts that they have: ${messageOf(error)}`,
      );
    }
  }

  /** Reads the account of a user, for `beforeStart`. @throws FathomError `control_plane.unavailable` */
  async readAccount(userId: string): Promise<void> {
    await this.#read(userId);
  }

  /**
   * Returns the adjustment that writes the account before a start. A restored backup may contain an earlier password, or an
   * account that was still active.
   */
  beforeStart(database: string): Adjustment {
    const { clock, log } = this.#deps;
    const account = () => this.#accounts.get(database);
    return {
      ready: () => this.load(),
      isNeeded: (file) => {
        const wanted = account();
        if (!wanted) return false;
        const differs = accountDiffers(file, wanted) === true;
        if (!differs) this.#unfinished.delete(wanted.id);
        return differs;
      },
      apply: (file) => {
        const wanted = account();
        if (!wanted) return;
        const isChanged = writeAccount(file, wanted, clock.now()) === true;
        this.#unfinished.delete(wanted.id);
        if (isChanged) {
          log.info({ instance: database, user: wanted.id }, 'updated the account before the start');
        }
      },
      onFailure: (error) => {
        const wanted = account();
        if (wanted && this.#noteFailure(wanted, 1, error) === 'busy') this.#begin(wanted.id);
      },
    };
  }

  /** Checks all databases that may have another account now, and after each start of the global PocketBase, whose reports may have been missed. */
  start(): void {
    this.#unsubscribe ??= this.#deps.bus.subscribe((event) => {
      if (event.kind === 'instance.phase' && event.name === GLOBAL_NAME && event.to === 'running')
        this.syncAll();
      if (event.kind === 'instance.removed') this.#accounts.delete(event.name);
    });
    this.syncAll();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopping.abort();
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values());
  }

  /** Starts to copy the account, after it may have changed. */
  changed(userId: string): void {
    this.#begin(userId);
  }

  syncAll(): void {
    this.#begin('');
  }

  /** Notes that the account is read next, to create a database. */
  noteCreating(userId: string): void {
    this.#creating.add(userId);
  }

  /** Copies the account into a database that is complete now, unless it is the one with which the database was created. */
  noteCreated(userId: string): void {
    const isUnchanged = this.#creating.delete(userId) && this.#cloned.delete(userId);
    if (!isUnchanged) this.changed(userId);
  }

  /** Notes when the account of a new database was read, in monotonic time, and the keys of its owner. */
  noteCloned(userId: string, accountAtMs: number, keys: OwnerKeys): void {
    this.#cloned.set(userId, { atMs: accountAtMs, keys });
  }

  /** The keys of a new database that was created with the account of `sinceMs` or later; else null. */
  keysOfNew(userId: string, sinceMs: number): OwnerKeys | null {
    const cloned = this.#cloned.get(userId);
    return cloned && cloned.atMs >= sinceMs ? cloned.keys : null;
  }

  /**
   * Waits until the user's database has the account of now, or of `sinceMs` or later. Then ended tokens are invalid in the
   * database, and new tokens are valid.
   *
   * @param sinceMs monotonic time; now by default
   * @returns false after a timeout or failure; the run continues
   */
  async syncNow(userId: string, sinceMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    if (this.keysOfNew(userId, sinceMs) !== null) return true;
    this.#begin(userId);
    const { signal, cancel } = deadline(this.#deps.clock, SYNC_TIMEOUT_MS);
    const late = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve());
    });
    try {
      for (let run = this.#running.get(userId); run && !signal.aborted; run = this.#running.get(userId)) {
        await Promise.race([run, late]);
      }
    } finally {
      cancel();
    }
    return !this.#running.has(userId) && !this.#unfinished.has(userId);
  }

  /** @param key id of a user; empty for all users */
  #begin(key: string): void {
    for (const users of [this.#cloned, this.#creating]) {
      if (key === '') users.clear();
      else users.delete(key);
    }
    if (this.#stopping.signal.aborted) return;
    if (this.#running.has(key)) {
      this.#waiting.add(key);
      return;
    }
    const run = this.#run(key === '' ? undefined : key)
      .catch((error: unknown) => {
        if (key !== '') this.#unfinished.add(key);
        this.#deps.log.error({ user: key }, `cannot copy an account into its database: ${messageOf(error)}`);
      })
      .finally(() => {
        this.#running.delete(key);
        if (this.#waiting.delete(key)) this.#begin(key);
      });
    this.#running.set(key, run);
  }

  async #run(userId: string | undefined): Promise<void> {
    let owners = await (userId === undefined ? this.#readUnsettled() : this.#read(userId));
    for (let attempt = 1; owners.length > 0 && !this.#stopping.signal.aborted; attempt += 1) {
      const busy: OwnerAccount[] = [];
      for (const owner of owners) {
        const written = this.#write(owner, attempt);
        if (written === 'busy') busy.push(owner);
        else if (written) {
          await this.#endRealtime(owner);
          this.#deps.log.info(
            { instance: owner.database, user: owner.id },
            'copied an account into its database',
          );
        }
        // Lets other work run between two databases.
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (busy.length === 0) return;
      await this.#deps.clock.sleep(fullJitterMs(attempt, BACKOFF, this.#deps.random), this.#stopping.signal);
      // The accounts may have changed in the meantime.
      const ids = new Set(busy.map(({ id }) => id));
      const read = userId === undefined ? this.#readAll() : this.#read(userId);
      owners = (await read).filter(({ id }) => ids.has(id));
    }
  }

  /** Reads all accounts. Returns those that databases may not have. */
  async #readUnsettled(): Promise<OwnerAccount[]> {
    const isFirst = this.#loading === null;
    await this.load();
    const known = new Map(this.#accounts);
    const isRead = isFirst && this.#isLoaded;
    const owners = isRead ? Array.from(known.values()) : await this.#readAllAgain();
    return owners.filter((owner) => !this.#isSettled(owner, known));
  }

  /** A database without a process gets the known account with its next start, so it only needs a changed one. */
  #isSettled(owner: OwnerAccount, known: ReadonlyMap<string, OwnerAccount>): boolean {
    const phase = this.#deps.catalog.find(owner.database)?.runner.state.phase;
    const before = known.get(owner.database);
    return (
      (phase === 'stopped' || phase === 'asleep' || phase === 'failed') &&
      before !== undefined &&
      !this.#unfinished.has(owner.id) &&
      isSameAccount(before, owner)
    );
  }

  /** Reads all accounts, as often as it needs: a busy control plane answers later. @throws the last failure */
  async #readAllAgain(): Promise<OwnerAccount[]> {
    const { clock, log, random } = this.#deps;
    const { signal } = this.#stopping;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#readAll();
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || signal.aborted) throw error;
        log.warn(`cannot read the accounts, and tries again: ${messageOf(error)}`);
        await clock.sleep(fullJitterMs(attempt, BACKOFF, random), signal);
        if (signal.aborted) return [];
      }
    }
  }

  async #readAll(): Promise<OwnerAccount[]> {
    const newer = new Map<string, OwnerAccount>();
    this.#newer = newer;
    const read = await this.#deps.repository.listOwners();
    const owners = read.map((owner) => newer.get(owner.id) ?? owner);
    for (const owner of owners) this.#accounts.set(owner.database, owner);
    this.#isLoaded = true;
    this.#newer = null;
    return owners;
  }

  async #read(userId: string): Promise<OwnerAccount[]> {
    const owners = await this.#deps.repository.listOwners(userId);
    for (const owner of owners) {
      this.#accounts.set(owner.database, owner);
      this.#newer?.set(owner.id, owner);
    }
    return owners;
  }

  /** Returns whether the account was written; `busy` needs a retry. */
  #write(owner: OwnerAccount, attempt: number): boolean | 'busy' {
    const { catalog, clock } = this.#deps;
    // It has no files now, or another node has them. Its next start writes the account.
    const { database } = owner;
    if (catalog.archived.find(database) !== null || catalog.elsewhere.find(database) !== null) return false;
    // Its data may be replaced by a copy, so it is written afterwards.
    if (catalog.find(owner.database)?.runner.maintenance) return 'busy';
    try {
      const dataDir = dataDirOf(catalog.directoryOf(owner.database));
      const changed = writeOwnerAccount(dataDir, owner, clock.now()) === true;
      this.#unfinished.delete(owner.id);
      return changed;
    } catch (error) {
      return this.#noteFailure(owner, attempt, error);
    }
  }

  #noteFailure(owner: OwnerAccount, attempt: number, error: unknown): false | 'busy' {
    const { catalog, log } = this.#deps;
    // Its files are being deleted.
    const state = catalog.find(owner.database)?.row.state;
    if (state === 'deleting' || state === 'trashed') return false;
    if (isBusy(error) && attempt < MAX_ATTEMPTS) return 'busy';
    this.#unfinished.add(owner.id);
    log.error({ instance: owner.database }, `cannot copy an account into its database: ${messageOf(error)}`);
    return false;
  }

  /**
   * Ends realtime subscriptions of the owner. They stay signed in until PocketBase itself saves the record; with another token
   * key they then lose their sign-in (apis/realtime.go, realtimeUpdateClientsAuth). If the record cannot be saved, for example
   * because an application made a field required, a restart ends them.
   */
  async #endRealtime({ database, id }: OwnerAccount): Promise<void> {
    const { catalog, fleet, log } = this.#deps;
    const entry = catalog.find(database);
    // An instance that does not run has no subscriptions.
    if (entry?.runner.state.phase !== 'running') return;
    try {
      if (entry.instance.access() === 'developer') throw new Error('a superuser cannot be signed out');
      await (await createSuperuserClient(entry)).collection('users').update(id, {});
    } catch (error) {
      const { phase, observed } = entry.runner.state;
      // The instance stops, as for a deletion, and so do all subscriptions.
      if (phase !== 'running' || observed.desired !== 'running') return;
      log.info(
        { instance: database },
        `restarting it, because its realtime subscriptions could not be signed out: ${messageOf(error)}`,
      );
      await fleet.restart(database).catch((failure: unknown) => {
        log.warn(
          { instance: database },
          `it did not start again at the first attempt: ${messageOf(failure)}`,
        );
      });
    }
  }
}

function isSameAccount(a: OwnerAccount, b: OwnerAccount): boolean {
  return (Object.keys(b) as (keyof OwnerAccount)[]).every((field) => a[field] === b[field]);
}

function isBusy(error: unknown): boolean {
  // SQLITE_BUSY and SQLITE_LOCKED, with any extension.
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === 5 || code === 6;
}
