import type { FastifyRequest } from 'fastify';
import { listCollections, listRecords } from '../../../shared/api/databases.ts';
import { Buckets } from '../../accounts/sign-in/buckets.ts';
import { RateLimitedError } from '../../accounts/sign-in/sign-in-limits.ts';
import { Counts } from '../../base/counts.ts';
import type { Clock } from '../../base/time/clock.ts';
import { requireOwnerOrAll, requireUserId, seesAll } from '../../http/caller.ts';
import { type Api, serve, slicePage } from '../../http/serve.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { type Browsing, browseCollections, browseRecords } from '../browse.ts';
import type { Catalog } from '../catalog.ts';
import { ensureAwake } from '../instance-client.ts';

export interface BrowseRoutesDeps {
  catalog: Catalog;
  fleet: Fleet;
  clock: Clock;
}

const MIB = 1024 * 1024;
/** The daemon parses what it reads, and has one thread for all requests. */
const OWNER_BYTES = 2 * MIB;
const OTHER_BYTES = 64 * MIB;
const OWNER_READS_PER_MINUTE = 60;
const OWNER_READS_AT_ONCE = 4;
const RETRY_MS = 1_000;

/** Registers the routes that read user databases, without secrets. Owners are limited. */
export function browseRoutes(app: Api, { catalog, fleet, clock }: BrowseRoutesDeps): void {
  const reads = new Buckets({ capacity: OWNER_READS_PER_MINUTE, windowMs: 60_000, clock });
  const open = new Counts();

  /** Counts a read of an owner. @returns the function that ends it @throws RateLimitedError */
  const begin = (userId: string): (() => void) => {
    const waitMs = reads.waitMs(userId);
    const end = waitMs > 0 ? null : open.take(userId, OWNER_READS_AT_ONCE);
    if (end === null) throw new RateLimitedError('too many reads of this database', waitMs || RETRY_MS);
    reads.take(userId);
    return end;
  };

  const browse = async <T>(
    request: FastifyRequest,
    name: string,
    read: (browsing: Browsing) => Promise<T>,
  ): Promise<T> => {
    requireOwnerOrAll(request, catalog.find(name)?.row.user ?? null);
    const entry = catalog.get(name);
    const isOwner = !seesAll(request.caller, 'databases.browse');
    const end = isOwner ? begin(requireUserId(request)) : null;
    try {
      await ensureAwake(entry, fleet, 'command');
      return await read({
        entry,
        withSystem: !isOwner,
        maxBytes: isOwner ? OWNER_BYTES : OTHER_BYTES,
      });
    } finally {
      end?.();
    }
  };

  serve(app, listCollections, (request) =>
    browse(request, request.params.name, async (browsing) =>
      slicePage(await browseCollections(browsing), request.query),
    ),
  );

  serve(app, listRecords, (request) => {
    const { name, collection } = request.params;
    return browse(request, name, (browsing) => browseRecords(browsing, collection, request.query));
  });
}
