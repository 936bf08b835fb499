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
import { superuserOf } from '../instance-client.ts';
import { accountDiffers, writeAccount, writeOwnerAccount } from './owner-account.ts';

/** A database that is busy is tried again soon, and not for ever: the next start of the global PocketBase looks at all. */
const BACKOFF = { baseMs: 50, capMs: 5_000 };
const MAX_ATTEMPTS = 30;
/** Longest that a request waits for a database that is busy. */
const PATIENCE_MS = 10_000;

export interface OwnerSyncDeps {
  repository: Pick<DatabaseRepository, 'owners'>;
  catalog: Pick<Catalog, 'directoryOf' | 'find'>;
  fleet: Pick<Fleet, 'restart'>;
  bus: Pick<EventBus, 'subscribe'>;
  clock: Clock;
  log: Logger;
  random: () => number;
}

/**
 * Carries what changes of an account (password, address, activity, the end of its tokens) into the owner's own database, whether it runs or not.
 * Changes of one user that come while one is being carried over are carried over together, after it.
 */
export class OwnerSync {
  readonly #deps: OwnerSyncDeps;
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  /** Users whose account could not be carried over when that was tried last. */
  readonly #unfinished = new Set<string>();
  /** As they were read last, by database: a start waits for nobody, and the global PocketBase may be away. */
  readonly #accounts = new Map<string, OwnerAccount>();
  /** When the account was read with which a database was made, by user, until anything of it may have changed. */
  readonly #clonedAt = new Map<string, number>();
  readonly #stopping = new AbortController();
  #unsubscribe: (() => void) | null = null;

  constructor(deps: OwnerSyncDeps) {
    this.#deps = deps;
  }

  /** Reads all accounts, for the starts that come before `start`. Never rejects: databases are started without them, too. */
  async load(): Promise<void> {
    try {
      await this.#read(undefined);
    } catch (error) {
      this.#deps.log.error(
        { err: error },
        `the accounts cannot be read, so databases start with the ones that they have: ${messageOf(error)}`,
      );
    }
  }

  /**
   * What carries the account over into a database that is about to start: its files may have been put back from a backup, in which
   * the owner has an earlier password, or was not locked out yet.
   */
  beforeStart(database: string): Adjustment | null {
    const { clock, log } = this.#deps;
    const account = this.#accounts.get(database);
    if (!account) return null;
    return {
      isNeeded: (file) => {
        const differs = accountDiffers(file, account) === true;
        if (!differs) this.#unfinished.delete(account.id);
        return differs;
      },
      apply: (file) => {
        const isChanged = writeAccount(file, account, clock.now()) === true;
        this.#unfinished.delete(account.id);
        if (isChanged) {
          log.info({ instance: database, user: account.id }, 'carried an account over before its start');
        }
      },
      onFailure: (error) => {
        if (this.#noteFailure(account, 1, error) === 'busy') this.#begin(account.id);
      },
    };
  }

  /** Looks at all databases now, and whenever the global PocketBase comes back: its calls may have been missed. */
  start(): void {
    this.#unsubscribe ??= this.#deps.bus.subscribe((event) => {
      if (event.kind === 'instance.phase' && event.name === GLOBAL_NAME && event.to === 'running') this.all();
      if (event.kind === 'instance.removed') this.#accounts.delete(event.name);
    });
    this.all();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopping.abort();
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values());
  }

  changed(userId: string): void {
    this.#begin(userId);
  }

  all(): void {
    this.#begin('');
  }

  /** A new database has the account as it was at a time of the monotonic clock. */
  noteCloned(userId: string, accountAtMs: number): void {
    this.#clonedAt.set(userId, accountAtMs);
  }

  /**
   * Resolves when the user's database is as the account is, or was at `sinceMs` or later: what has ended has ended there as
   * well, and what is given out from then on is good.
   *
   * @param sinceMs of the monotonic clock; now by default
   * @returns false when that was not possible in time: it goes on
   */
  async carryOver(userId: string, sinceMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    if ((this.#clonedAt.get(userId) ?? Number.NEGATIVE_INFINITY) >= sinceMs) return true;
    this.#begin(userId);
    const { signal, cancel } = deadline(this.#deps.clock, PATIENCE_MS);
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

  /** @param key a user, or nothing for all of them */
  #begin(key: string): void {
    if (key === '') this.#clonedAt.clear();
    else this.#clonedAt.delete(key);
    if (this.#stopping.signal.aborted) return;
    if (this.#running.has(key)) {
      this.#waiting.add(key);
      return;
    }
    const run = this.#run(key === '' ? undefined : key)
      .catch((error: unknown) => {
        if (key !== '') this.#unfinished.add(key);
        this.#deps.log.error({ user: key }, `an account was not carried over: ${messageOf(error)}`);
      })
      .finally(() => {
        this.#running.delete(key);
        if (this.#waiting.delete(key)) this.#begin(key);
      });
    this.#running.set(key, run);
  }

  async #run(userId: string | undefined): Promise<void> {
    let owners = await this.#read(userId);
    for (let attempt = 1; owners.length > 0 && !this.#stopping.signal.aborted; attempt += 1) {
      const busy: OwnerAccount[] = [];
      for (const owner of owners) {
        const written = this.#write(owner, attempt);
        if (written === 'busy') busy.push(owner);
        else if (written) {
          await this.#endRealtime(owner);
          this.#deps.log.info({ instance: owner.database, user: owner.id }, 'carried an account over');
        }
        // One at a time: others wait for the event loop meanwhile.
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (busy.length === 0) return;
      await this.#deps.clock.sleep(fullJitterMs(attempt, BACKOFF, this.#deps.random), this.#stopping.signal);
      // As the accounts are by then.
      const ids = new Set(busy.map(({ id }) => id));
      owners = (await this.#read(userId)).filter(({ id }) => ids.has(id));
    }
  }

  async #read(userId: string | undefined): Promise<OwnerAccount[]> {
    const owners = await this.#deps.repository.owners(userId);
    for (const owner of owners) this.#accounts.set(owner.database, owner);
    return owners;
  }

  /** Whether anything was written; busy is to be tried again. */
  #write(owner: OwnerAccount, attempt: number): boolean | 'busy' {
    const { catalog, clock } = this.#deps;
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
    // Its files go, or are gone.
    if (catalog.find(owner.database)?.row.state === 'deleting') return false;
    if (isBusy(error) && attempt < MAX_ATTEMPTS) return 'busy';
    this.#unfinished.add(owner.id);
    log.error({ instance: owner.database }, `an account was not carried over: ${messageOf(error)}`);
    return false;
  }

  /**
   * A subscription stays signed in until PocketBase itself saves the record, and then goes on as nobody's if the token key
   * is another one. Source: apis/realtime.go, realtimeUpdateClientsAuth. A restart ends it as well, where the record cannot be
   * saved: a field that an application has made required refuses each save.
   */
  async #endRealtime({ database, id }: OwnerAccount): Promise<void> {
    const { catalog, fleet, log } = this.#deps;
    const entry = catalog.find(database);
    // Nobody listens to one that does not run.
    if (entry?.runner.state.phase !== 'running') return;
    try {
      await (await superuserOf(entry)).collection('users').update(id, {});
    } catch (error) {
      const { phase, observed } = entry.runner.state;
      // It ends, as with a deletion, and so does everybody's realtime.
      if (phase !== 'running' || observed.desired !== 'running') return;
      log.info(
        { instance: database },
        `restarting it, since who listens to its realtime could not be signed out: ${messageOf(error)}`,
      );
      await fleet.restart(database).catch((failure: unknown) => {
        log.warn({ instance: database }, `it did not come back at once: ${messageOf(failure)}`);
      });
    }
  }
}

function isBusy(error: unknown): boolean {
  // SQLITE_BUSY and SQLITE_LOCKED, with whatever extension.
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === 5 || code === 6;
}
