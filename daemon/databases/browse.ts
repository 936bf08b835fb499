import {
  ClientResponseError,
  type CollectionModel,
  type default as PocketBase,
  type RecordModel,
} from 'pocketbase';
import type { Page, PageRequest } from '../../shared/api/contract/page.ts';
import type { Collection } from '../../shared/api/databases.ts';
import { FathomError } from '../../shared/errors.ts';
import { isUnanswered } from '../control-plane/client.ts';
import { listRecords } from '../control-plane/records.ts';
import { SUPERUSERS_COLLECTION_ID } from '../keys/instance-access.ts';
import type { CatalogEntry } from './catalog.ts';
import { createSuperuserClient } from './instance-client.ts';

const REDACTED = '[redacted]';
/** More collections than this are not counted: each count is a request to the instance. */
const MAX_COUNTED = 200;
const PARALLEL_COUNTS = 4;

export interface RecordQuery extends PageRequest {
  /** A field, with `-` before it for descending order. */
  sort?: string | undefined;
}

/**
 * Lists the collections of a user database through its own API. The client is a superuser, which also gets hidden fields, so
 * the functions of this file return only what the schema of the collection allows.
 *
 * @throws FathomError `instance.not_running`, `not_found`, `auth.forbidden`, `request.invalid`
 */
export async function browseCollections(entry: CatalogEntry): Promise<Collection[]> {
  const collections = await readInstance(entry, (client) => client.collections.getFullList({ sort: 'name' }));
  const summaries: Collection[] = collections.map(({ name, type, system }) => ({
    name,
    type,
    system,
    records: null,
  }));
  // One iterator, shared by the parallel workers.
  const uncounted = summaries
    .filter(({ name }) => name !== '_superusers')
    .slice(0, MAX_COUNTED)
    .values();
  const count = async () => {
    for (const summary of uncounted) summary.records = await countRecords(entry, summary.name);
  };
  await Promise.all(Array.from({ length: PARALLEL_COUNTS }, count));
  return summaries;
}

/** Returns null when counting fails, for example for a view with an invalid query. */
async function countRecords(entry: CatalogEntry, collection: string): Promise<number | null> {
  try {
    const { totalItems } = await readInstance(entry, (client) =>
      client.collection(collection).getList(1, 1, { fields: 'id' }),
    );
    return totalItems;
  } catch (error) {
    if (error instanceof FathomError && error.code === 'instance.not_running') throw error;
    return null;
  }
}

/** Lists records without secrets. @throws as `browseCollections` */
export async function browseRecords(
  entry: CatalogEntry,
  collectionName: string,
  { sort, ...page }: RecordQuery,
): Promise<Page<Record<string, unknown>>> {
  const collection = await readInstance(entry, (client) => client.collections.getOne(collectionName));
  // Checked after PocketBase resolved the name, because it accepts ids and any letter case.
  if (collection.id === SUPERUSERS_COLLECTION_ID) {
    throw new FathomError('auth.forbidden', 'superusers are not shown');
  }
  const options = { sort: checkSort(collection, sort), skipTotal: false };
  return readInstance(entry, (client) =>
    listRecords(client.collection(collection.id), page, options, (record) =>
      redactRecord(record, collection),
    ),
  );
}

/** Returns the fields of the schema, with secrets replaced. */
export function redactRecord(record: RecordModel, { fields }: CollectionModel): Record<string, unknown> {
  return Object.fromEntries(
    fields
      .filter(({ name }) => name in record)
      .map((field) => [field.name, isSecret(field) ? REDACTED : record[field.name]]),
  );
}

/** Checks the name, too: in a view, a hidden field of another collection is an ordinary field. */
function isSecret({ name, type, hidden }: CollectionModel['fields'][number]): boolean {
  return hidden || type === 'password' || /password|secret|token_?key/i.test(name);
}

/** Refuses to sort by secrets, because the order would reveal something about them. The default is newest first. */
function checkSort({ fields, type, name }: CollectionModel, sort: string | undefined): string {
  if (sort === undefined) return type === 'view' ? '' : '-@rowid';
  const field = fields.find((candidate) => candidate.name === sort.replace(/^-/, ''));
  if (field && !isSecret(field)) return sort;
  throw new FathomError('request.invalid', `${name} cannot be sorted by '${sort}'`, {
    fields: [{ path: 'sort', message: 'is not a field that is shown' }],
  });
}

async function readInstance<T>(entry: CatalogEntry, work: (client: PocketBase) => Promise<T>): Promise<T> {
  const client = await createSuperuserClient(entry);
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
  if (isUnanswered(error)) {
    return new FathomError('instance.not_running', `${name} does not answer now; check its log`, {
      cause: error,
    });
  }
  return new FathomError('instance.failed', `${name} refused the request (${error.status})`, {
    cause: error,
  });
}
