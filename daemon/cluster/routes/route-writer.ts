import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Change, type Coordinator, type Entry, MAX_CHANGES } from '../coordinator.ts';
import { type NodeRecord, ownersOf, parseOwner } from '../records.ts';
import { API_ROUTE, parseRoute, type RouteRecord, routesOf, type Target } from './route.ts';

const RETRY_MS = 1_000;
/** Owners of more names are read with one request. */
const FEW = 8;

export interface RouteWriterDeps {
  coordinator: Coordinator;
  facts: Pick<NodeRecord, 'node' | 'fleet' | 'address'>;
  /** The instance whose owner has the API. */
  controlPlane: string;
  /** With which routes end; null when they stay without it. */
  session: () => string | null;
  /** Of a name that this node owns, as far as it knows; otherwise null. */
  epochOf: (name: string) => number | null;
  clock: Clock;
  log: Logger;
}

/**
 * The routes of what this node owns. Each change compares the record of the owner, so that a node that has lost a name does not
 * replace the route of the next owner.
 */
export class RouteWriter {
  readonly #deps: RouteWriterDeps;
  readonly #prefix: string;
  /** By name: what is to be written. */
  readonly #targets = new Map<string, Target>();
  /** By name: target, session and epoch that were written last. */
  readonly #written = new Map<string, string>();
  readonly #dirty = new Set<string>();
  #changed = Promise.withResolvers<void>();
  #chunkSize = MAX_CHANGES;
  #hasProblem = false;

  constructor(deps: RouteWriterDeps) {
    this.#deps = deps;
    this.#prefix = routesOf(deps.facts.fleet);
  }

  /** Sets where requests for a name go. It is written soon, and only while this node owns the name. */
  set(name: string, target: Target): void {
    this.#targets.set(name, target);
    this.#look(name);
  }

  /** Whether this node owns a name, as far as it knows. */
  owns(name: string): boolean {
    return this.#deps.epochOf(this.#ownerOf(name)) !== null;
  }

  /** Call it when this node became the owner of a name, or lost it. */
  noteOwner(name: string): void {
    for (const one of name === this.#deps.controlPlane ? [name, API_ROUTE] : [name]) this.#look(one);
  }

  /** Call it for a new session: routes ended with the last one. */
  noteSession(): void {
    for (const name of this.#targets.keys()) this.#look(name);
  }

  #look(name: string): void {
    const target = this.#targets.get(name);
    if (target === undefined || this.#written.get(name) === this.#textOf(name, target))
      this.#dirty.delete(name);
    else this.#dirty.add(name);
    if (this.#dirty.size > 0) this.#changed.resolve();
  }

  /** Writes changes until the signal aborts. Never rejects. */
  async keep(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    const stop = () => this.#changed.resolve();
    signal.addEventListener('abort', stop);
    await this.#attempt(async () => {
      await this.#prune();
      return true;
    });
    while (!signal.aborted) {
      if (this.#dirty.size === 0) await this.#changed.promise;
      this.#changed = Promise.withResolvers<void>();
      if (signal.aborted || (await this.#attempt(() => this.#flush()))) continue;
      log.debug('routes are written again soon');
      await clock.sleep(RETRY_MS, signal);
    }
    signal.removeEventListener('abort', stop);
  }

  /** Removes all routes: what this node owns is moving from now on. Call it after the end of `keep`. Best effort. */
  async withdraw(): Promise<void> {
    const names = [...this.#targets.keys()];
    for (const name of names) this.set(name, { state: 'moving' });
    await this.#attempt(() => this.#flush());
  }

  async #attempt(work: () => Promise<boolean>): Promise<boolean> {
    try {
      const isComplete = await work();
      this.#hasProblem = false;
      return isComplete;
    } catch (error) {
      if (!(error instanceof FathomError)) throw error;
      if (!this.#hasProblem) this.#deps.log.warn(`cannot write routes to etcd: ${messageOf(error)}`);
      this.#hasProblem = true;
      return false;
    }
  }

  /** @returns whether all changes are written */
  async #flush(): Promise<boolean> {
    const owners = await this.#ownersOf([...this.#dirty]);
    /** Names whose records have changed since they were read. */
    const outdated = new Set<string>();
    for (;;) {
      const names = [...this.#dirty].filter((name) => !outdated.has(name)).slice(0, this.#chunkSize);
      if (names.length === 0) return outdated.size === 0;
      const missing = names.filter((name) => !owners.has(name));
      for (const [name, owner] of await this.#ownersOf(missing)) owners.set(name, owner);
      if (await this.#write(names, { owners, outdated })) {
        this.#chunkSize = Math.min(MAX_CHANGES, this.#chunkSize * 2);
      } else {
        // One of them has another owner, or another source. Or the session of all of them has ended.
        if (this.#chunkSize === 1)
          throw new FathomError('cluster.unavailable', `etcd refuses the route of ${names[0] ?? ''}`);
        for (const name of names) owners.delete(name);
        this.#chunkSize = Math.max(1, this.#chunkSize >> 1);
      }
    }
  }

  async #write(
    names: readonly string[],
    { owners, outdated }: { owners: ReadonlyMap<string, Entry | null>; outdated: Set<string> },
  ): Promise<boolean> {
    const { coordinator, facts, epochOf } = this.#deps;
    const session = this.#deps.session();
    const expect: Change['expect'][number][] = [];
    const put: Required<Change>['put'][number][] = [];
    const remove: string[] = [];
    const texts = new Map<string, string>();
    for (const name of names) {
      const target = this.#targets.get(name);
      const owner = owners.get(name) ?? null;
      const record = owner && parseOwner(owner);
      if (target === undefined) continue;
      const epoch = epochOf(this.#ownerOf(name));
      if (epoch !== null && (record?.node !== facts.node || record.epoch !== epoch)) {
        // This node has claimed it, or has lost it.
        outdated.add(name);
        continue;
      }
      texts.set(name, this.#textOf(name, target));
      // Its next owner writes the route.
      if (owner === null || record?.node !== facts.node) continue;
      if (!expect.some(({ key }) => key === owner.key))
        expect.push({ key: owner.key, revision: owner.revision });
      const key = this.#prefix + name;
      if (target.state === 'moving') remove.push(key);
      else
        put.push({ key, ...this.#valueOf(target, record.epoch), ...(session === null ? {} : { session }) });
    }
    if (put.length + remove.length > 0 && !(await coordinator.commit({ expect, put, remove }))) return false;
    for (const name of names) {
      if (outdated.has(name)) continue;
      const text = texts.get(name);
      const target = this.#targets.get(name);
      if (text !== undefined) this.#written.set(name, text);
      // It may have changed in the meantime.
      if (target === undefined || text === this.#textOf(name, target)) this.#dirty.delete(name);
    }
    return true;
  }

  #valueOf(target: Exclude<Target, { state: 'moving' }>, epoch: number): { value: string } {
    const { node, address } = this.#deps.facts;
    const port = target.state === 'open' ? target.port : null;
    const failed = target.state === 'closed' && target.failed === true ? { failed: true } : {};
    const record: RouteRecord = { node, epoch, address, port, state: target.state, ...failed };
    return { value: JSON.stringify(record) };
  }

  #textOf(name: string, target: Target): string {
    const { session, epochOf } = this.#deps;
    return JSON.stringify([target, session(), epochOf(this.#ownerOf(name))]);
  }

  #ownerOf(name: string): string {
    return name === API_ROUTE ? this.#deps.controlPlane : name;
  }

  async #ownersOf(names: readonly string[]): Promise<Map<string, Entry | null>> {
    const { coordinator, facts } = this.#deps;
    const prefix = ownersOf(facts.fleet);
    const all = names.length > FEW ? await coordinator.list(prefix) : null;
    const byKey = all && new Map(all.map((entry) => [entry.key, entry]));
    const read = async (name: string): Promise<[string, Entry | null]> => {
      const key = prefix + this.#ownerOf(name);
      return [name, byKey === null ? await coordinator.get(key) : (byKey.get(key) ?? null)];
    };
    return new Map(await Promise.all(names.map(read)));
  }

  /** Removes routes of this node to names that no longer have an owner. Their databases were deleted. */
  async #prune(): Promise<void> {
    const { coordinator, facts } = this.#deps;
    const routes = await coordinator.list(this.#prefix);
    const owned = new Set((await coordinator.list(ownersOf(facts.fleet))).map(({ key }) => key));
    const isOrphan = (entry: Entry) => {
      const name = entry.key.slice(this.#prefix.length);
      return !owned.has(ownersOf(facts.fleet) + this.#ownerOf(name)) && parseRoute(entry).node === facts.node;
    };
    const orphans = routes.filter(isOrphan);
    for (let from = 0; from < orphans.length; from += MAX_CHANGES) {
      const part = orphans.slice(from, from + MAX_CHANGES);
      await coordinator.commit({
        expect: part.map(({ key, revision }) => ({ key, revision })),
        remove: part.map(({ key }) => key),
      });
    }
  }
}
