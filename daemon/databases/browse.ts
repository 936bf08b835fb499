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

/** Fields with one text. Names that begin with a digit are not names in the filters of PocketBase. */
const SEARCHED_TYPES: ReadonlySet<string> = new Set(['text', 'email', 'url', 'editor']);
const NAME_IN_FILTER = /^[a-z_]/i;
/** Of PocketBase. */
const MAX_FILTER_LENGTH = 3500;
const MAX_FILTER_EXPRESSIONS = 200;

export interface RecordQuery extends PageRequest {
  /** A field, with `-` before it for descending order. */
  sort?: string | undefined;
  /** A part of a value. */
  search?: string | undefined;
}

export interface Browsing {
  entry: CatalogEntry;
  /** Also PocketBase's own collections. */
  withSystem: boolean;
  /** Bytes of a response of the instance. */
  maxBytes: number;
}

/**
 * Lists the collections of a user database through its own API. The client is a superuser, which also gets hidden fields, so
 * the functions of this file return only what the schema of the collection allows.
 *
 * @throws FathomError `instance.not_running`, `not_found`, `auth.forbidden`, `request.invalid`
 */
export async function browseCollections(browsing: Browsing): Promise<Collection[]> {
  const collections = await readInstance(browsing, (client) =>
    client.collections.getFullList({ sort: 'name' }),
  );
  const summaries: Collection[] = collections
    .filter(({ system }) => browsing.withSystem || !system)
    .map(({ name, type, system, fields }) => ({
      name,
      type,
      system,
      records: null,
      fields: fields.map((field) => ({ name: field.name, type: field.type, hidden: isSecret(field) })),
    }));
  // One iterator, shared by the parallel workers.
  const uncounted = summaries
    .filter(({ name }) => name !== '_superusers')
    .slice(0, MAX_COUNTED)
    .values();
  const count = async () => {
    for (const summary of uncounted) summary.records = await countRecords(browsing, summary.name);
  };
  await Promise.all(Array.from({ length: PARALLEL_COUNTS }, count));
  return summaries;
}

/** Returns null when counting fails, for example for a view with an invalid query. */
async function countRecords(browsing: Browsing, collection: string): Promise<number | null> {
  try {
    const { totalItems } = await readInstance(browsing, (client) =>
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
  browsing: Browsing,
  collectionName: string,
  { sort, search = '', ...page }: RecordQuery,
): Promise<Page<Record<string, unknown>>> {
  const collection = await readInstance(browsing, (client) => client.collections.getOne(collectionName));
  // Checked after PocketBase resolved the name, because it accepts ids and any letter case.
  if (collection.id === SUPERUSERS_COLLECTION_ID) {
    throw new FathomError('auth.forbidden', 'superusers are not shown');
  }
  if (collection.system && !browsing.withSystem)
    throw new FathomError('auth.forbidden', "PocketBase's own collections are for administrators");
  const filter = search === '' ? '' : createFilter(collection, search);
  const options = { sort: checkSort(collection, sort), filter, skipTotal: false };
  return readInstance(browsing, (client) =>
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

/** Without secrets: which records are found would reveal something about them. */
function createFilter({ fields, name }: CollectionModel, search: string): string {
  const searched = fields.filter(
    (field) => SEARCHED_TYPES.has(field.type) && NAME_IN_FILTER.test(field.name) && !isSecret(field),
  );
  const pattern = quotePattern(search);
  const filter = searched.map((field) => `${field.name} ~ ${pattern}`).join(' || ');
  if (searched.length > MAX_FILTER_EXPRESSIONS || Buffer.byteLength(filter) > MAX_FILTER_LENGTH)
    throw new FathomError('request.invalid', `the text is too long to search ${name}`, {
      fields: [{ path: 'search', message: `is too long to search ${searched.length} fields` }],
    });
  return filter;
}

/**
 * Quotes a part of a text for the operator `~`. A backslash matches any character: versions of PocketBase differ in how they
 * read two of them, and whether these end a text before a quote.
 */
function quotePattern(part: string): string {
  const literal = part.replaceAll(/[\\%_']/g, (one) => (one === '\\' ? '_' : `\\${one}`));
  return `'%${literal}%'`;
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

async function readInstance<T>(
  { entry, maxBytes }: Browsing,
  work: (client: PocketBase) => Promise<T>,
): Promise<T> {
  const client = await createSuperuserClient(entry);
  const { beforeSend } = client;
  client.beforeSend = async (url, options) => {
    const sent = await beforeSend?.(url, options);
    return { ...sent, options: { ...sent?.['options'], fetch: limitedFetch(maxBytes) } };
  };
  try {
    return await work(client);
  } catch (error) {
    throw translate(error, entry.row.name);
  }
}

/** Reads at most so many bytes of a response: the records of a page may have any size. */
function limitedFetch(maxBytes: number): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    if (response.body === null) return response;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    // Leaving the loop cancels the rest.
    for await (const chunk of response.body) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
    const { status, headers } = response;
    return new Response(Buffer.concat(chunks), { status, headers });
  };
}

function tooLarge(maxBytes: number): FathomError {
  const size = `${maxBytes / 1024 / 1024} MiB`;
  return new FathomError(
    'request.invalid',
    `these records have more than ${size}; ask for fewer at once (per_page)`,
    { fields: [{ path: 'per_page', message: `these records have more than ${size}` }] },
  );
}

function translate(error: unknown, name: string): unknown {
  if (!(error instanceof ClientResponseError)) return error;
  if (error.originalError instanceof FathomError) return error.originalError;
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
