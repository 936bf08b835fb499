import {
  ClientResponseError,
  type CollectionModel,
  type default as PocketBase,
  type RecordModel,
} from 'pocketbase';
import { FathomError } from '../../shared/errors.ts';
import { SUPERUSERS_COLLECTION_ID } from '../keys/instance-access.ts';
import type { CatalogEntry } from './catalog.ts';
import { superuserOf } from './instance-client.ts';

const REDACTED = '[redacted]';
/** More collections than this are not counted: each count is a request to the instance. */
const MAX_COUNTED = 200;
const PARALLEL_COUNTS = 4;

export interface CollectionSummary {
  name: string;
  type: string;
  /** PocketBase's own. */
  system: boolean;
  /** Null when they could not be counted, or may not be looked at. */
  records: number | null;
}

export interface RecordQuery {
  page: number;
  perPage: number;
  /** A field, `-` before it for descending. */
  sort: string | undefined;
}

/**
 * Looks into a user database through its own API, without ever writing. It asks as superuser, who is shown hidden fields
 * as well, so what goes out is chosen by the collection's schema.
 *
 * @throws FathomError `instance.not_running`, `not_found`, `auth.forbidden`, `request.invalid`
 */
export async function listCollections(entry: CatalogEntry): Promise<CollectionSummary[]> {
  const collections = await ask(entry, (client) => client.collections.getFullList({ sort: 'name' }));
  const summaries: CollectionSummary[] = collections.map(({ name, type, system }) => ({
    name,
    type,
    system,
    records: null,
  }));
  // One iterator that all share.
  const uncounted = summaries
    .filter(({ name }) => name !== '_superusers')
    .slice(0, MAX_COUNTED)
    .values();
  const count = async () => {
    for (const summary of uncounted) summary.records = await countOf(entry, summary.name);
  };
  await Promise.all(Array.from({ length: PARALLEL_COUNTS }, count));
  return summaries;
}

/** A view whose query fails is still listed. */
async function countOf(entry: CatalogEntry, collection: string): Promise<number | null> {
  try {
    const { totalItems } = await ask(entry, (client) =>
      client.collection(collection).getList(1, 1, { fields: 'id' }),
    );
    return totalItems;
  } catch (error) {
    if (error instanceof FathomError && error.code === 'instance.not_running') throw error;
    return null;
  }
}

export async function listRecords(
  entry: CatalogEntry,
  collectionName: string,
  { page, perPage, sort }: RecordQuery,
): Promise<{ items: Record<string, unknown>[]; total: number }> {
  const collection = await ask(entry, (client) => client.collections.getOne(collectionName));
  // Looked at after PocketBase has resolved it: it takes ids and any case for the name.
  if (collection.id === SUPERUSERS_COLLECTION_ID) {
    throw new FathomError('auth.forbidden', 'superusers are not shown');
  }
  const { items, totalItems } = await ask(entry, (client) =>
    client
      .collection(collection.id)
      .getList(page, perPage, { sort: checkedSort(collection, sort), skipTotal: false }),
  );
  return { items: items.map((record) => presentable(record, collection)), total: totalItems };
}

/** The fields of the schema alone, secrets among them covered. */
export function presentable(record: RecordModel, { fields }: CollectionModel): Record<string, unknown> {
  return Object.fromEntries(
    fields
      .filter(({ name }) => name in record)
      .map((field) => [field.name, isSecret(field) ? REDACTED : record[field.name]]),
  );
}

/** By name as well: a view shows what another collection hides as an ordinary field. */
function isSecret({ name, type, hidden }: CollectionModel['fields'][number]): boolean {
  return hidden || type === 'password' || /password|secret|token_?key/i.test(name);
}

/** The order of secrets would tell something of them. Newest first by default. */
function checkedSort({ fields, type, name }: CollectionModel, sort: string | undefined): string {
  if (sort === undefined) return type === 'view' ? '' : '-@rowid';
  const field = fields.find((candidate) => candidate.name === sort.replace(/^-/, ''));
  if (field && !isSecret(field)) return sort;
  throw new FathomError('request.invalid', `${name} cannot be sorted by '${sort}'`, {
    fields: [{ path: 'sort', message: 'is not a field that is shown' }],
  });
}

async function ask<T>(entry: CatalogEntry, work: (client: PocketBase) => Promise<T>): Promise<T> {
  const client = await superuserOf(entry);
  try {
    return await work(client);
  } catch (error) {
    throw translate(error, entry.row.name);
  }
}

function translate(error: unknown, name: string): unknown {
  if (!(error instanceof ClientResponseError)) return error;
  if (error.status === 404) {
    return new FathomError('not_found', `${name} has no such collection`, { cause: error });
  }
  if (error.status === 0) {
    return new FathomError('instance.not_running', `${name} does not answer now; look at its log`, {
      cause: error,
    });
  }
  return new FathomError('instance.failed', `${name} refused to be read (${error.status})`, { cause: error });
}
