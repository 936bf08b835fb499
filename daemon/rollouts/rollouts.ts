import { randomBytes } from 'node:crypto';
import type { Rollout } from '../../shared/api/rollouts.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import { forEachConcurrent } from '../base/concurrent.ts';
import { KeyedMutex } from '../base/keyed-mutex.ts';
import type { CatalogEntry } from '../databases/catalog.ts';
import { holdMigrations } from '../databases/migrations/held-migrations.ts';
import type { FoundProcess } from '../pocketbase/process/process-driver.ts';
import { rolloutDirOf } from '../supervisor/instance-spec.ts';
import type { Leftovers } from '../supervisor/start/leftovers.ts';
import {
  type Change,
  type ChangeDeps,
  ChangeFailed,
  CopyDamaged,
  endChange,
  FailsBefore,
  setRow,
} from './change.ts';
import { bothFail, changeDatabase, finishChange, returnDatabase } from './change-database.ts';
import type { DatabaseJournal } from './journal.ts';
import { cloneOf, rehearse } from './rehearse.ts';
import { removeCopies } from './remove-copies.ts';
import {
  type CurrentRollout,
  describeRollout,
  nextStep,
  type RolloutOutcome,
  type RolloutPlan,
  type RolloutState,
  type RolloutStatus,
  requireEnd,
} from './rollout.ts';
import { type NewRollout, untilSettled } from './rollout-plan.ts';
import type { RolloutStore } from './rollout-store.ts';
import { watchDatabase } from './watch-database.ts';

export interface RolloutsDeps extends ChangeDeps {
  store: RolloutStore;
  audit: Pick<AuditTrail, 'recordDaemonAction'>;
  /** Creates the change of one database. */
  changeOf: (plan: RolloutPlan, entry: CatalogEntry) => Change;
  /** Why a database is not changed; null when it is. */
  skipReason: (plan: RolloutPlan, entry: CatalogEntry) => string | null;
  /** Backs up a database, if it has changed since its last backup. */
  backUp: (name: string) => Promise<void>;
  /** Called after each change of a rollout. */
  onChange: (rollout: Rollout) => void;
}

/** Databases whose migrations are held at the same time, each with a write to the disk. */
const HELD_AT_ONCE = 64;
/** A request for a plan waits for them. */
const MAX_REHEARSED = 20;

/** Runs one rollout at a time. It continues after a restart of the daemon. */
export class Rollouts {
  readonly #deps: RolloutsDeps;
  #current: CurrentRollout | null = null;
  /** Databases whose watch was interrupted by the end of the last daemon. */
  readonly #interrupted = new Map<string, DatabaseJournal>();
  readonly #running = new Set<Promise<void>>();
  /** Each database has one directory for a clone. */
  readonly #clones = new KeyedMutex();
  /** A rollout that is started has its record before another command changes it. */
  readonly #commands = new KeyedMutex();
  readonly #stopped = new AbortController();
  #hasBegun = false;

  constructor(deps: RolloutsDeps) {
    this.#deps = deps;
  }

  /**
   * Brings databases whose change was interrupted into a known state. Call it before their instances start.
   *
   * @param found processes of an earlier daemon
   * @param leftovers of that daemon
   * @returns those that the instances can take over
   */
  async recover(found: readonly FoundProcess[], leftovers: Leftovers): Promise<FoundProcess[]> {
    const { journals, catalog } = this.#deps;
    await this.#readLast();
    // Those of interrupted rehearsals.
    const clones = catalog
      .entries()
      .filter(({ runner }) => leftovers.has(rolloutDirOf(runner.spec.directory)))
      .map(({ runner }) => cloneOf(runner.spec.directory));
    const ended = await removeCopies(clones, found, this.#deps.fleet);
    const finishing: Promise<void>[] = [];
    for (const journal of await journals.list()) {
      const entry = catalog.find(journal.database);
      if (!entry) await journals.remove(journal.database);
      else if (journal.step === 'serving') {
        const { after: version, applications } = journal;
        await setRow(entry, { version, applications: applications?.after ?? null }, this.#deps);
        this.#interrupted.set(journal.database, journal);
      } else {
        const processes = found.filter((one) => one.instance === journal.database && !ended.has(one));
        for (const process of processes) ended.add(process);
        finishing.push(this.#finish(entry, journal, processes));
      }
    }
    await Promise.all(finishing);
    return found.filter((process) => !ended.has(process));
  }

  /** A record that is damaged must not keep all databases from their start. */
  async #readLast(): Promise<void> {
    const { store, log } = this.#deps;
    try {
      const stored = await store.read();
      if (stored) this.#current = { ...stored, active: new Set(), watched: new Set() };
    } catch (error) {
      log.error({ err: error }, `the last rollout does not continue: ${messageOf(error)}`);
    }
  }

  async #finish(
    entry: CatalogEntry,
    journal: DatabaseJournal,
    processes: readonly FoundProcess[],
  ): Promise<void> {
    const { log } = this.#deps;
    const { database, step } = journal;
    let problem: string | null = null;
    let isFailed = step === 'returning';
    try {
      await finishChange(entry, journal, processes, this.#deps);
      log.warn({ instance: database, step }, 'finished a change that an earlier daemon did not end');
    } catch (error) {
      problem = messageOf(error);
      isFailed ||= error instanceof CopyDamaged;
      log.error({ err: error, instance: database, step }, 'cannot finish a change of an earlier daemon');
    }
    // Else it is changed again by the same rollout.
    if (isFailed) await this.#end(entry, 'failed', problem ?? journal.reason, null);
  }

  /** Continues the rollout of an earlier daemon. Call it when the instances start. */
  begin(): void {
    this.#hasBegun = true;
    for (const [name, journal] of this.#interrupted) {
      const entry = this.#deps.catalog.find(name);
      if (entry) this.#track(name, this.#watch(entry, journal, { restarts: 0, unanswered: null }));
    }
    this.#interrupted.clear();
    if (this.#current) this.#publish(this.#current);
    this.#advance();
  }

  /** Whether a database is changed now, or watched after its change. */
  async isChanging(name: string): Promise<boolean> {
    return (await this.#deps.journals.find(name)) !== null;
  }

  /** Ends the work; the next daemon continues. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.allSettled(this.#running);
    await this.#deps.thread.close();
  }

  /** @throws FathomError `conflict` when another rollout has not ended */
  start(plan: NewRollout, status: 'running' | 'paused'): Promise<Rollout> {
    return this.#commands.run('', () => this.#start(plan, status));
  }

  async #start(plan: NewRollout, status: 'running' | 'paused'): Promise<Rollout> {
    const { clock, store } = this.#deps;
    const last = this.#current;
    if (last) requireEnd(last);
    const now = clock.now().toISOString();
    const id = `${now.slice(0, 19).replaceAll(/[-:]/g, '')}-${randomBytes(2).toString('hex')}`;
    const current: CurrentRollout = {
      plan: { ...plan, id, started_at: now },
      state: { status, reason: null, accepted: 0 },
      outcomes: new Map(),
      active: new Set(),
      watched: new Set(),
    };
    this.#current = current;
    try {
      await this.#holdAll(current.plan);
      await store.create(current.plan, current.state);
    } catch (error) {
      this.#current = last;
      throw error;
    }
    this.#advance();
    return this.#publish(current);
  }

  /** From now on, a start applies nothing that the rollout has not tested on the database. */
  async #holdAll(plan: RolloutPlan): Promise<void> {
    const { catalog, changeOf } = this.#deps;
    await forEachConcurrent(plan.databases, HELD_AT_ONCE, async (name) => {
      const entry = catalog.find(name);
      const hold = entry && changeOf(plan, entry).hold;
      if (hold) await holdMigrations(entry.runner.spec.directory, hold);
    });
  }

  /** Tests the first databases of a plan on clones, before anything changes. */
  async rehearse(plan: NewRollout): Promise<{ name: string; problem: string | null }[]> {
    const { catalog, changeOf } = this.#deps;
    const results: { name: string; problem: string | null }[] = [];
    for (const name of plan.databases.slice(0, Math.min(MAX_REHEARSED, Math.max(1, plan.canary)))) {
      const entry = catalog.get(name);
      const change = changeOf({ ...plan, id: '', started_at: '' }, entry);
      const problem = await this.#clones.run(name, async () =>
        this.#current?.active.has(name)
          ? 'it is changed now; try again later'
          : rehearse(entry, change, this.#deps, this.#stopped.signal),
      );
      results.push({ name, problem });
    }
    return results;
  }

  /** The rollout in progress or the last one; null before the first one. */
  get current(): Rollout | null {
    return this.#current && describeRollout(this.#current);
  }

  /** @throws FathomError `not_found` before the first one */
  status(): Rollout {
    return describeRollout(this.#require());
  }

  pause(): Promise<Rollout> {
    return this.#change(['running'], { status: 'paused' });
  }

  /** After a halt, the failures until now are accepted. */
  resume(): Promise<Rollout> {
    const { outcomes } = this.#require();
    const accepted = [...outcomes.values()].filter(({ result }) => result === 'failed').length;
    return this.#change(['paused', 'halted'], { status: 'running', reason: null, accepted });
  }

  /** Databases in progress end as they would; no other begins. */
  abort(): Promise<Rollout> {
    return this.#change(['running', 'paused', 'halted'], { status: 'aborted' });
  }

  #require(): CurrentRollout {
    if (this.#current) return this.#current;
    throw new FathomError(
      'not_found',
      "there was no rollout yet; start one with 'fathomd pocketbase upgrade VERSION'",
    );
  }

  #change(from: readonly RolloutStatus[], changes: Partial<RolloutState>): Promise<Rollout> {
    return this.#commands.run('', () => this.#changeState(from, changes));
  }

  async #changeState(from: readonly RolloutStatus[], changes: Partial<RolloutState>): Promise<Rollout> {
    const current = this.#require();
    const { status } = current.state;
    if (!from.includes(status))
      throw new FathomError('conflict', `the rollout ${current.plan.id} is ${status}`);
    await this.#setState(current, changes);
    this.#advance();
    return describeRollout(current);
  }

  async #setState(current: CurrentRollout, changes: Partial<RolloutState>): Promise<void> {
    current.state = { ...current.state, ...changes };
    await this.#deps.store.writeState(current.plan.id, current.state);
    this.#publish(current);
  }

  #publish(current: CurrentRollout): Rollout {
    const view = describeRollout(current);
    this.#deps.onChange(view);
    return view;
  }

  /** Does what `nextStep` decides. */
  #advance(): void {
    const current = this.#current;
    if (!current || !this.#hasBegun || this.#stopped.signal.aborted) return;
    const { plan, outcomes, active, watched, state } = current;
    const step = nextStep(plan, { ...state, outcomes, active, watched });
    if (step.kind === 'begin') for (const name of step.databases) this.#track(name, this.#run(current, name));
    else if (step.kind === 'halt') this.#settle(current, 'halted', step.reason);
    else if (step.kind === 'finish') this.#settle(current, 'done', null);
  }

  #settle(current: CurrentRollout, status: 'halted' | 'done', reason: string | null): void {
    const { id, target } = current.plan;
    const { log, audit } = this.#deps;
    log.warn({ rollout: id, target, reason }, `the rollout is ${status}`);
    const work = this.#setState(current, { status, reason });
    const detail = JSON.stringify({ target, reason });
    void audit.recordDaemonAction({
      action: `rollout.${status === 'done' ? 'done' : 'halt'}`,
      target: id,
      outcome: status === 'done' ? 'ok' : 'failed',
      detail,
    });
    this.#keep(work);
  }

  #track(name: string, work: Promise<void>): void {
    const current = this.#current;
    const entry = this.#deps.catalog.find(name);
    current?.active.add(name);
    if (entry) entry.rollout = current?.plan.id ?? null;
    this.#keep(
      work.finally(() => {
        current?.active.delete(name);
        current?.watched.delete(name);
        if (entry) entry.rollout = null;
        this.#advance();
      }),
    );
  }

  #keep(work: Promise<void>): void {
    const kept = work.catch((error: unknown) => {
      if (!this.#stopped.signal.aborted)
        this.#deps.log.error({ err: error }, `a rollout could not be continued: ${messageOf(error)}`);
    });
    this.#running.add(kept);
    void kept.finally(() => this.#running.delete(kept));
  }

  async #run(current: CurrentRollout, name: string): Promise<void> {
    const { catalog, clock, skipReason } = this.#deps;
    const { plan } = current;
    const { signal } = this.#stopped;
    // Everything below is not part of this turn of `#advance`, and waits for rehearsals of plans.
    await this.#clones.run(name, () => Promise.resolve());
    const found = catalog.find(name);
    const unsettled = found && (await untilSettled(found.runner, clock, signal));
    // Paused or aborted in the meantime: it has not begun.
    if (signal.aborted || current.state.status !== 'running') return undefined;
    const entry = catalog.find(name);
    const reason = entry ? (unsettled ?? skipReason(plan, entry)) : 'it was deleted';
    if (!entry || reason !== null) return this.#end(entry ?? name, 'skipped', reason, null);
    const { state } = entry.runner;
    const change = this.#deps.changeOf(plan, entry);
    let begun = clock.monotonic();
    const wasRunning = state.phase === 'running';
    const { restarts } = state.observed;
    let journal: DatabaseJournal;
    try {
      const problem = plan.rehearse ? await rehearse(entry, change, this.#deps, signal) : null;
      if (problem !== null) throw new ChangeFailed(`on a clone: ${problem}`);
      await this.#backUpBefore(plan, name);
      // Paused or aborted meanwhile: it has not begun.
      if (signal.aborted || current.state.status !== 'running') return undefined;
      begun = clock.monotonic();
      journal = await changeDatabase(entry, change, this.#deps);
      // It waited for an application that it does not need any more.
      if (state.phase === 'backing_off') entry.runner.start({ force: true });
    } catch (error) {
      if (signal.aborted) return undefined;
      return this.#end(entry, error instanceof FailsBefore ? 'skipped' : 'failed', messageOf(error), null);
    }
    const unanswered = wasRunning ? () => Math.round(clock.monotonic() - begun) : null;
    return this.#watch(entry, journal, { restarts, unanswered });
  }

  /** @throws ChangeFailed when the backup fails, and the rollout does not go on without */
  async #backUpBefore({ backup, without_backup }: RolloutPlan, name: string): Promise<void> {
    if (!backup) return;
    try {
      await this.#deps.backUp(name);
    } catch (error) {
      const problem = `its backup before the change failed: ${messageOf(error)}`;
      if (!without_backup)
        throw new ChangeFailed(`${problem}; --without-backup changes databases also then`, { cause: error });
      this.#deps.log.warn({ instance: name }, `${problem}; it is changed all the same`);
    }
  }

  /** Watches a database after its change, and takes it back when it does not work. */
  async #watch(
    entry: CatalogEntry,
    journal: DatabaseJournal,
    { restarts, unanswered }: { restarts: number; unanswered: (() => number) | null },
  ): Promise<void> {
    const current = this.#current;
    const { signal } = this.#stopped;
    let unansweredMs: number | null = null;
    const onRunning = () => {
      unansweredMs = unanswered?.() ?? null;
      current?.watched.add(entry.row.name);
      this.#advance();
    };
    const watchMs = (current?.plan.watch_s ?? 0) * 1000;
    const problem = await watchDatabase(
      entry.runner,
      { restarts, watchMs, onRunning },
      this.#deps.clock,
      signal,
    );
    if (signal.aborted) return undefined;
    if (problem === null) {
      await this.#end(entry, 'changed', null, unansweredMs);
      return endChange(entry, this.#deps);
    }
    try {
      await returnDatabase(entry, journal, problem, this.#deps);
    } catch (error) {
      if (signal.aborted) return undefined;
      return this.#end(entry, 'failed', messageOf(error), null);
    }
    // Its owner can end the process, by use or by data. That says nothing about the version.
    const { runner } = entry;
    const { phase, observed } = runner.state;
    // It waits after the failures of the new version.
    if (phase === 'backing_off' || phase === 'failed') runner.start({ force: true });
    const before = await watchDatabase(
      runner,
      { restarts: observed.restarts, watchMs, onRunning: () => {} },
      this.#deps.clock,
      signal,
    );
    if (signal.aborted) return undefined;
    return before === null
      ? this.#end(entry, 'failed', problem, null)
      : this.#end(entry, 'skipped', bothFail(problem, journal.from, before), null);
  }

  async #end(
    entry: CatalogEntry | string,
    ended: RolloutOutcome['result'],
    problem: string | null,
    unansweredMs: number | null,
  ): Promise<void> {
    const { store, clock, log, audit, journals } = this.#deps;
    const current = this.#current;
    const database = typeof entry === 'string' ? entry : entry.row.name;
    if (!current) return;
    const isDeleted = typeof entry !== 'string' && isGone(entry, this.#deps.catalog);
    if (isDeleted) await journals.remove(database);
    const result = isDeleted ? 'skipped' : ended;
    const message = isDeleted ? 'it was deleted' : problem;
    const at = clock.now().toISOString();
    const outcome: RolloutOutcome = { database, result, at, message, unanswered_ms: unansweredMs };
    await store.addOutcome(current.plan.id, outcome);
    current.outcomes.set(database, outcome);
    const { id, target } = current.plan;
    const fields = { instance: database, rollout: id, target, result };
    if (result === 'failed') log.warn(fields, `a database was not changed: ${message}`);
    else log.info(fields, message ?? 'changed a database');
    void audit.recordDaemonAction({
      action: 'rollout.database',
      target: database,
      outcome: result === 'failed' ? 'failed' : 'ok',
      detail: JSON.stringify({ rollout: id, target, result, ...(message === null ? {} : { message }) }),
    });
    this.#publish(current);
  }
}

/** It is being deleted, is in the trash, or its row was deleted. */
function isGone(entry: CatalogEntry, catalog: RolloutsDeps['catalog']): boolean {
  return entry.row.state === 'deleting' || catalog.find(entry.row.name) !== entry;
}
