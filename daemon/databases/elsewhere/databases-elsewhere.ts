import PocketBase from 'pocketbase';
import { FathomError } from '../../../shared/errors.ts';
import type { FleetEvent } from '../../../shared/events.ts';
import { connectAddress } from '../../../shared/host.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { TokenLimit } from '../owner/owner-access.ts';
import { type DatabaseElsewhere, type Listed, listElsewhere, phaseOf } from './elsewhere-instance.ts';

const TIMEOUT_MS = 10_000;

/** The databases that other nodes run, by name and by owner. */
export class DatabasesElsewhere {
  readonly #clock: Clock;
  readonly #byName = new Map<string, DatabaseElsewhere>();
  readonly #byUser = new Map<string, DatabaseElsewhere>();
  /** By name: what was published last, and when its phase changed, as this node has seen it. */
  readonly #seen = new Map<string, { text: string; phase: InstancePhase; since: Date }>();
  readonly #listeners = new Set<(event: FleetEvent) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(database: DatabaseElsewhere): void {
    const { name, user } = database.row;
    // Its row goes last.
    if (database.other.route()?.state === 'deleted') return this.remove(name);
    const isNew = !this.#byName.has(name);
    this.#byName.set(name, database);
    this.#byUser.set(user, database);
    this.#note(database, isNew);
  }

  /** Forgets a database that this node runs now. */
  take(name: string): void {
    const database = this.#byName.get(name);
    this.#byName.delete(name);
    this.#seen.delete(name);
    if (database && this.#byUser.get(database.row.user) === database) this.#byUser.delete(database.row.user);
  }

  /** Forgets a database that does not exist any more. */
  remove(name: string): void {
    if (!this.#byName.has(name)) return;
    this.take(name);
    this.#publish({ kind: 'instance.removed', name });
  }

  /** Publishes what has changed of these databases. Call it when their routes have. */
  noteRoutes(names: readonly string[]): void {
    for (const name of names) {
      const database = this.#byName.get(name);
      if (database?.other.route()?.state === 'deleted') this.remove(name);
      else if (database) this.#note(database, false);
    }
  }

  /** Calls `listener` for each change, as for databases that this node runs. */
  onChange(listener: (event: FleetEvent) => void): void {
    this.#listeners.add(listener);
  }

  #note(database: DatabaseElsewhere, isNew: boolean): void {
    const { name } = database.row;
    const phase = phaseOf(database);
    const known = this.#seen.get(name);
    const text = JSON.stringify([database.row, database.other.node, database.other.route()]);
    if (known?.text === text) return;
    const since = known?.phase === phase ? known.since : this.#clock.now();
    this.#seen.set(name, { text, phase, since });
    const instance = () => listElsewhere(database, since).state.view();
    if (isNew)
      this.#publish({
        kind: 'instance.added',
        get instance() {
          return instance();
        },
      });
    else
      this.#publish({
        kind: 'instance.changed',
        name,
        get instance() {
          return instance();
        },
      });
  }

  #publish(event: FleetEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** As lists show it; null for a database that no other node runs. */
  listed(name: string): Listed | null {
    const database = this.#byName.get(name);
    const seen = this.#seen.get(name);
    return database && seen ? listElsewhere(database, seen.since) : null;
  }

  /** All of those that match, as lists show them. */
  list(matches: (database: DatabaseElsewhere) => boolean = () => true): Listed[] {
    return [...this.#byName.values()].filter(matches).flatMap(({ row: { name } }) => this.listed(name) ?? []);
  }

  find(name: string): DatabaseElsewhere | null {
    return this.#byName.get(name) ?? null;
  }

  findByUser(userId: string): DatabaseElsewhere | null {
    return this.#byUser.get(userId) ?? null;
  }

  get size(): number {
    return this.#byName.size;
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }
}

/** The error for a deletion: only the node with the control plane deletes, and only what it runs. */
export function deletedAfterMove({ row: { name }, other: { node } }: DatabaseElsewhere): FathomError {
  return new FathomError(
    'conflict',
    `node ${node} runs ${name}; move it to the node with the control plane ('fathomd databases move ${name} NODE'), then delete it`,
  );
}

/** The error for work that only the node of a database can do. */
export function runsElsewhere({ row: { name }, other: { node } }: DatabaseElsewhere): FathomError {
  return new FathomError('conflict', `node ${node} runs ${name}; use the commands or the API of that node`);
}

/**
 * Creates a token of the owner, by the node that runs the database.
 *
 * @param limit null for the usual lifetime
 * @throws ClientResponseError, FathomError `secret.undecryptable`
 */
export async function createTokenElsewhere(
  { row, superuserToken }: DatabaseElsewhere,
  { address, port }: { address: string; port: number },
  limit: TokenLimit | null,
  now: Date,
): Promise<string> {
  const client = new PocketBase(`http://${connectAddress(address, port)}`);
  client.authStore.save(await superuserToken());
  const seconds =
    limit === null ? 0 : Math.max(1, Math.floor((limit.expiresAt.getTime() - now.getTime()) / 1000));
  const signedIn = await client
    .collection('users')
    .impersonate(row.user, seconds, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  return signedIn.authStore.token;
}
