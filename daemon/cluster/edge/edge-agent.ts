import { lookup } from 'node:dns/promises';
import { isIP, isIPv6 } from 'node:net';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { Coordinator, Entry } from '../coordinator.ts';
import { ownersOf } from '../records.ts';
import { routesOf } from '../routes/route.ts';
import type { HaproxyMap } from './haproxy-map.ts';
import type { Destination, RouteTable } from './route-table.ts';

/** How often the process of HAProxy is looked at: a new one has the map of the file. */
const LOOK_MS = 1_000;
/** More changes replace the map as a whole. */
const FEW = 20;
/** Of an address and a port, in the map. */
const SEPARATOR = '|';
const HOST_NAME = /^[a-z0-9._-]{1,253}$/i;

export interface EdgeAgentDeps {
  coordinator: Coordinator;
  table: RouteTable;
  fleet: string;
  map: Pick<HaproxyMap, 'process' | 'replace' | 'set' | 'endSessions'>;
  /** Path of the file from which HAProxy reads the map when it starts. */
  mapFile: string;
  clock: Clock;
  log: Logger;
}

/**
 * Keeps the map of HAProxy as the routes in etcd are. HAProxy goes on with the last routes without this process or without etcd.
 */
export class EdgeAgent {
  readonly #deps: EdgeAgentDeps;
  readonly #views: { owners: ReadonlyMap<string, Entry> | null; routes: ReadonlyMap<string, Entry> | null } =
    {
      owners: null,
      routes: null,
    };
  readonly #changedNames = new Set<string>();
  /** By host: what the file has. */
  readonly #entries = new Map<string, string>();
  /** By name: the last owner that served, and where. */
  readonly #serving = new Map<string, { owner: string; address: string }>();
  /** Addresses of former owners. Requests there may wait for an answer. */
  readonly #left = new Set<string>();
  /** The process of HAProxy that has these entries; null when none has. */
  #served: string | null = null;
  #changed = Promise.withResolvers<void>();
  #problem: string | null = null;
  /** By name: why its record cannot be used. */
  readonly #problems = new Map<string, string>();

  constructor(deps: EdgeAgentDeps) {
    this.#deps = deps;
  }

  /** Follows the routes until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { coordinator, fleet, clock } = this.#deps;
    const watch = (prefix: string, which: 'owners' | 'routes') =>
      coordinator.watch(
        prefix,
        (view, changed) => {
          this.#views[which] = view;
          for (const key of changed) this.#note(key);
        },
        signal,
      );
    const watches = [watch(ownersOf(fleet), 'owners'), watch(routesOf(fleet), 'routes')];
    while (!signal.aborted) {
      await Promise.race([this.#changed.promise, clock.sleep(LOOK_MS, signal)]);
      this.#changed = Promise.withResolvers<void>();
      if (signal.aborted) break;
      await this.#update();
    }
    await Promise.all(watches);
  }

  #note(key: string): void {
    for (const name of this.#deps.table.namesOf(key)) this.#changedNames.add(name);
    this.#changed.resolve();
  }

  async #update(): Promise<void> {
    const { owners, routes } = this.#views;
    // Without one of them, known names would be taken for unknown ones.
    if (owners === null || routes === null) return;
    const names = [...this.#changedNames];
    this.#changedNames.clear();
    const changes = await this.#changesOf(names, { owners, routes });
    try {
      await this.#apply(changes);
      await this.#endLeft();
      if (this.#problem !== null) this.#deps.log.info('HAProxy has all routes again');
      this.#problem = null;
    } catch (error) {
      for (const name of names) this.#changedNames.add(name);
      this.#served = null;
      const problem = messageOf(error);
      if (this.#problem !== problem) this.#deps.log.error(`HAProxy does not have all routes: ${problem}`);
      this.#problem = problem;
    }
  }

  /** By host: entries that change. A name with a record that cannot be used keeps its entry, and is tried again. */
  async #changesOf(
    names: readonly string[],
    views: { owners: ReadonlyMap<string, Entry>; routes: ReadonlyMap<string, Entry> },
  ): Promise<Map<string, string | null>> {
    const { table, log } = this.#deps;
    const changes = new Map<string, string | null>();
    // One that cannot be resolved takes seconds.
    const addresses = new Map<string, Promise<string>>();
    for (const name of names) {
      try {
        const value = await this.#valueOf(table.destinationOf(name, views), addresses);
        this.#problems.delete(name);
        this.#noteOwner(name, table.ownerOf(name, views), value);
        const host = table.hostOf(name);
        if ((this.#entries.get(host) ?? null) !== value) changes.set(host, value);
      } catch (error) {
        this.#changedNames.add(name);
        const problem = messageOf(error);
        if (this.#problems.get(name) !== problem)
          log.error(`the route of ${name} stays as it was: ${problem}`);
        this.#problems.set(name, problem);
      }
    }
    return changes;
  }

  /** @param value its entry */
  #noteOwner(name: string, owner: string | null, value: string | null): void {
    const former = this.#serving.get(name);
    if (former !== undefined && former.owner !== owner) {
      this.#left.add(former.address);
      this.#serving.delete(name);
    }
    if (value === null) this.#serving.delete(name);
    else if (owner !== null && value.includes(SEPARATOR)) this.#serving.set(name, { owner, address: value });
  }

  /** A server that hangs keeps its requests for minutes, and could answer them when it goes on. */
  async #endLeft(): Promise<void> {
    if (this.#left.size === 0) return;
    // Another database can have the port now.
    for (const { address } of this.#serving.values()) this.#left.delete(address);
    const ended = await this.#deps.map.endSessions(new Set([...this.#left].map(socketAddress)));
    this.#left.clear();
    if (ended > 0)
      this.#deps.log.warn({ requests: ended }, 'requests that waited for a former owner were ended');
  }

  async #apply(changes: ReadonlyMap<string, string | null>): Promise<void> {
    const { map, mapFile, log } = this.#deps;
    const known = new Set(this.#entries.keys());
    for (const [host, value] of changes)
      if (value === null) this.#entries.delete(host);
      else this.#entries.set(host, value);
    // Before HAProxy has them: a new process reads the file.
    if (changes.size > 0) await replaceFile(mapFile, mapText(this.#entries), { mode: 0o644, synced: false });
    const process = await map.process();
    if (process !== this.#served || changes.size > FEW) {
      await map.replace(this.#entries);
      this.#served = process;
      log.info({ hosts: this.#entries.size }, 'HAProxy has all routes');
      return;
    }
    for (const [host, value] of changes) {
      await map.set(host, value, known.has(host));
      log.info({ host, to: value }, 'a route has changed');
    }
  }

  /** What HAProxy reads; null for an unknown name. */
  async #valueOf(destination: Destination, addresses: Map<string, Promise<string>>): Promise<string | null> {
    if (destination === null || typeof destination === 'string') return destination;
    const { address: host, port } = destination;
    const address = addresses.get(host) ?? resolveAddress(host);
    addresses.set(host, address);
    return `${await address}${SEPARATOR}${port}`;
  }
}

/** @throws FathomError `cluster.unavailable` */
async function resolveAddress(host: string): Promise<string> {
  // It becomes part of a command of HAProxy. Also, HAProxy reads no zone of an IPv6 address.
  const isAddress = isIP(host) !== 0 && !host.includes('%');
  if (isAddress) return host;
  const remedy = 'set FATHOM_NODE_ADDRESS of that node to an IP address';
  if (!HOST_NAME.test(host))
    throw new FathomError(
      'cluster.unavailable',
      `the address of its node, ${JSON.stringify(host)}, is not valid; ${remedy}`,
    );
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new FathomError(
      'cluster.unavailable',
      `the address of its node, ${host}, is not known here: ${messageOf(error)}; ${remedy}`,
    );
  }
}

/** An entry of the map as HAProxy shows it for a session. */
function socketAddress(value: string): string {
  const [address = '', port = ''] = value.split(SEPARATOR);
  const written = isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
  return `${written}:${port}`;
}

export function mapText(entries: ReadonlyMap<string, string>): string {
  return [...entries].map(([host, value]) => `${host} ${value}\n`).join('');
}
