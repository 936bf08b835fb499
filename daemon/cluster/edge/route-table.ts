import { isDatabaseName } from '../../../shared/database-name.ts';
import type { EdgeHosts } from '../../config/edge-hosts.ts';
import type { Entry } from '../coordinator.ts';
import { ownersOf, parseOwner } from '../records.ts';
import { API_ROUTE, parseRoute, routesOf } from '../routes/route.ts';

/** Where requests for a name go. `moving`: they wait. Null: there is no such name. */
export type Destination = { address: string; port: number } | 'moving' | 'closed' | null;

type View = ReadonlyMap<string, Entry>;

/** What the records of a fleet say about its host names. */
export class RouteTable {
  readonly #fleet: string;
  readonly #controlPlane: string;
  readonly #hosts: EdgeHosts;

  constructor({ fleet, controlPlane, hosts }: { fleet: string; controlPlane: string; hosts: EdgeHosts }) {
    this.#fleet = fleet;
    this.#controlPlane = controlPlane;
    this.#hosts = hosts;
  }

  /** The names whose requests depend on a record of an owner or a route. None for a key that Fathom does not write. */
  namesOf(key: string): string[] {
    const name = key.slice(key.lastIndexOf('/') + 1);
    // It becomes part of a command of HAProxy.
    if (name !== API_ROUTE && name !== this.#controlPlane && !isDatabaseName(name)) return [];
    return key === ownersOf(this.#fleet) + this.#controlPlane ? [name, API_ROUTE] : [name];
  }

  hostOf(name: string): string {
    if (name === API_ROUTE) return this.#hosts.api;
    return name === this.#controlPlane ? this.#hosts.auth : name + this.#hosts.databaseSuffix;
  }

  /** The node to which requests for a name go; null without an owner. */
  ownerOf(name: string, { owners }: { owners: View }): string | null {
    const entry = owners.get(ownersOf(this.#fleet) + this.#ownedBy(name));
    return entry === undefined ? null : parseOwner(entry).node;
  }

  /** The name whose owner serves this one: the API is that of the leader. */
  #ownedBy(name: string): string {
    return name === API_ROUTE ? this.#controlPlane : name;
  }

  destinationOf(name: string, { owners, routes }: { owners: View; routes: View }): Destination {
    const ownerEntry = owners.get(ownersOf(this.#fleet) + this.#ownedBy(name));
    if (ownerEntry === undefined) return null;
    const routeEntry = routes.get(routesOf(this.#fleet) + name);
    if (routeEntry === undefined) return 'moving';
    const owner = parseOwner(ownerEntry);
    const { node, epoch, address, port, state } = parseRoute(routeEntry);
    // Of a former owner.
    if (owner.node !== node || owner.epoch !== epoch) return 'moving';
    if (state === 'deleted') return null;
    return port === null || state === 'closed' ? 'closed' : { address, port };
  }
}
