import { FathomError } from '../../../shared/errors.ts';
import type { Catalog } from '../../databases/catalog.ts';
import type { EventBus } from '../../events/bus.ts';
import { noDatabase } from '../own-database.ts';
import { DatabaseFeed, type FeedDeps, type Follower } from './database-feed.ts';

export interface WorkFeedsDeps extends FeedDeps {
  bus: EventBus;
  catalog: Catalog;
}

/** Feeds of the databases whose projects are followed. Other databases have none, and cost nothing. */
export class WorkFeeds implements Disposable {
  readonly #deps: WorkFeedsDeps;
  readonly #feeds = new Map<string, DatabaseFeed>();
  #unsubscribe: (() => void) | null = null;

  constructor(deps: WorkFeedsDeps) {
    this.#deps = deps;
  }

  [Symbol.dispose](): void {
    for (const feed of this.#feeds.values()) feed[Symbol.dispose]();
    this.#feeds.clear();
    this.#unsubscribeIfUnused();
  }

  /**
   * Follows a project in the own database of a user. A database that sleeps is not woken: `reset` is called again when it runs.
   *
   * @throws FathomError `conflict` without a database
   */
  follow(userId: string, projectId: string, follower: Follower): { settled: Promise<void>; end: () => void } {
    const entry = this.#deps.catalog.findByUser(userId);
    if (entry === null) throw noDatabase();
    const { name } = entry.row;
    const feed = this.#feeds.get(name) ?? new DatabaseFeed(entry, this.#deps);
    this.#feeds.set(name, feed);
    this.#unsubscribe ??= this.#subscribe();
    const following = feed.follow(projectId, {
      ...follower,
      end: (error) => {
        follower.end(error);
        this.#closeIfUnused(name, feed);
      },
    });
    const end = () => {
      following.end();
      this.#closeIfUnused(name, feed);
    };
    return { settled: following.settled, end };
  }

  #subscribe(): () => void {
    return this.#deps.bus.subscribe((event) => {
      if (event.kind === 'instance.phase') this.#feeds.get(event.name)?.phaseChanged(event.to);
      if (event.kind !== 'instance.removed') return;
      this.#feeds.get(event.name)?.close(new FathomError('not_found', `${event.name} was deleted`));
      this.#feeds.delete(event.name);
      this.#unsubscribeIfUnused();
    });
  }

  #closeIfUnused(name: string, feed: DatabaseFeed): void {
    if (feed.isUsed || this.#feeds.get(name) !== feed) return;
    feed[Symbol.dispose]();
    this.#feeds.delete(name);
    this.#unsubscribeIfUnused();
  }

  #unsubscribeIfUnused(): void {
    if (this.#feeds.size > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
  }
}
