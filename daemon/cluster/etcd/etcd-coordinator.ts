import { z } from 'zod';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import {
  type Change,
  type Coordinator,
  type Entry,
  MAX_CHANGES,
  type OnChange,
  type StoreServer,
} from '../coordinator.ts';
import { EtcdError, type EtcdGateway, NOT_FOUND } from './gateway.ts';
import { inspectServer } from './servers.ts';

/** Entries in one answer. */
const PAGE = 5_000;
const RETRY_MS = 1_000;
const RANGE = '/v3/kv/range';

/** etcd writes 64-bit numbers as text, and leaves out fields that are empty or 0. */
const int64 = z.coerce.number();
const header = z.object({ revision: int64.default(0) });
const keyValue = z.object({
  key: z.string(),
  value: z.string().default(''),
  mod_revision: int64,
  lease: z.string().default('0'),
});
type KeyValue = z.infer<typeof keyValue>;

const rangeSchema = z.object({
  header,
  kvs: z.array(keyValue).default([]),
  more: z.boolean().default(false),
});
const txnSchema = z.object({ succeeded: z.boolean().default(false) });
const leaseSchema = z.object({ ID: z.string() });
const renewalSchema = z.object({ TTL: int64.default(0) });
const watchSchema = z.object({
  header,
  created: z.boolean().default(false),
  canceled: z.boolean().default(false),
  cancel_reason: z.string().default(''),
  compact_revision: int64.default(0),
  events: z.array(z.object({ type: z.enum(['PUT', 'DELETE']).default('PUT'), kv: keyValue })).default([]),
});

interface WatchState {
  view: Map<string, Entry>;
  /** The first revision that is not in the view; null when the view must be read. */
  next: number | null;
}

/** A coordinator in etcd 3.4 or later. Its entries lie below `/fathom/<cluster>/`. */
export class EtcdCoordinator implements Coordinator {
  readonly #gateway: EtcdGateway;
  readonly #root: string;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(gateway: EtcdGateway, { cluster, clock, log }: { cluster: string; clock: Clock; log: Logger }) {
    this.#gateway = gateway;
    this.#root = rootOf(cluster);
    this.#clock = clock;
    this.#log = log;
  }

  async get(key: string): Promise<Entry | null> {
    const { kvs } = await answerOf(this.#gateway.read(RANGE, { key: this.#key(key) }, rangeSchema));
    return kvs[0] ? toEntry(kvs[0], this.#root) : null;
  }

  async list(prefix: string): Promise<Entry[]> {
    return (await this.#read(prefix)).entries;
  }

  async commit({ expect, put = [], remove = [] }: Change): Promise<boolean> {
    if (put.length + remove.length > MAX_CHANGES) throw new Error(`more than ${MAX_CHANGES} changes`);
    const compare = expect.map(({ key, revision }) => ({
      key: this.#key(key),
      target: 'MOD',
      result: 'EQUAL',
      mod_revision: String(revision),
    }));
    const success = [
      ...put.map(({ key, value, session }) => ({
        request_put: { key: this.#key(key), value: encode(value), ...(session && { lease: session }) },
      })),
      ...remove.map((key) => ({ request_delete_range: { key: this.#key(key) } })),
    ];
    try {
      return (await this.#gateway.call('/v3/kv/txn', { compare, success }, txnSchema)).succeeded;
    } catch (error) {
      if (error instanceof EtcdError && error.code === NOT_FOUND) return false;
      throw unavailable(error);
    }
  }

  async openSession(ttlSeconds: number): Promise<string> {
    return (await answerOf(this.#gateway.call('/v3/lease/grant', { TTL: String(ttlSeconds) }, leaseSchema)))
      .ID;
  }

  async renewSession(session: string): Promise<boolean> {
    const renewal = this.#gateway.first('/v3/lease/keepalive', { ID: session }, renewalSchema);
    return (await answerOf(renewal)).TTL > 0;
  }

  async closeSession(session: string): Promise<void> {
    try {
      await this.#gateway.call('/v3/lease/revoke', { ID: session }, z.unknown());
    } catch (error) {
      if (error instanceof EtcdError && error.code === NOT_FOUND) return;
      throw unavailable(error);
    }
  }

  async watch(prefix: string, onChange: OnChange, signal: AbortSignal): Promise<void> {
    const state: WatchState = { view: new Map(), next: null };
    while (!signal.aborted) {
      try {
        if (state.next === null) {
          const { entries, revision } = await this.#read(prefix);
          const changed = replace(state.view, entries);
          state.next = revision + 1;
          onChange(state.view, changed);
        }
        await this.#follow(prefix, state, { onChange, signal });
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn(`cannot watch etcd: ${messageOf(error)}; trying again`);
        await this.#clock.sleep(RETRY_MS, signal);
      }
    }
  }

  servers(): Promise<StoreServer[]> {
    return Promise.all(this.#gateway.endpoints.map((endpoint) => inspectServer(this.#gateway, endpoint)));
  }

  close(): void {
    this.#gateway.close();
  }

  /** Keeps the state as etcd says, until the stream ends or fails. */
  async #follow(
    prefix: string,
    state: WatchState,
    { onChange, signal }: { onChange: OnChange; signal: AbortSignal },
  ): Promise<void> {
    const { view, next: from } = state;
    const create = { ...rangeOf(this.#root + prefix), start_revision: String(from), progress_notify: true };
    const messages = this.#gateway.stream('/v3/watch', { create_request: create }, watchSchema, signal);
    for await (const message of messages) {
      if (message.canceled) {
        if (message.compact_revision > 0) {
          state.next = null;
          return;
        }
        this.#gateway.forgetToken();
        throw new Error(message.cancel_reason || 'etcd ended the watch');
      }
      const changed = new Set<string>();
      for (const { type, kv } of message.events) {
        const entry = toEntry(kv, this.#root);
        changed.add(entry.key);
        if (type === 'DELETE') view.delete(entry.key);
        else view.set(entry.key, entry);
        state.next = Math.max(state.next ?? 0, kv.mod_revision + 1);
      }
      if (changed.size > 0) onChange(view, changed);
    }
  }

  #key(key: string): string {
    return encode(this.#root + key);
  }

  #read(prefix: string): Promise<{ entries: Entry[]; revision: number }> {
    return readRange(this.#gateway, this.#root, prefix);
  }
}

/** The entries of a cluster below a prefix. */
export async function readEntries(gateway: EtcdGateway, cluster: string, prefix: string): Promise<Entry[]> {
  return (await readRange(gateway, rootOf(cluster), prefix)).entries;
}

const rootOf = (cluster: string) => `/fathom/${cluster}/`;

async function readRange(
  gateway: EtcdGateway,
  root: string,
  prefix: string,
): Promise<{ entries: Entry[]; revision: number }> {
  const { key: first, range_end } = rangeOf(root + prefix);
  const entries: Entry[] = [];
  let key = first;
  let revision = 0;
  for (;;) {
    const body = { key, range_end, limit: String(PAGE), revision: String(revision) };
    const page = await answerOf(gateway.read(RANGE, body, rangeSchema));
    // All pages are of the same moment.
    revision ||= page.header.revision;
    entries.push(...page.kvs.map((kv) => toEntry(kv, root)));
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { entries, revision };
    key = Buffer.concat([Buffer.from(last.key, 'base64'), Buffer.of(0)]).toString('base64');
  }
}

/** @throws FathomError `cluster.unavailable` for what etcd refuses */
function answerOf<T>(call: Promise<T>): Promise<T> {
  return call.catch((error: unknown) => {
    throw unavailable(error);
  });
}

/** All keys that begin with the prefix, which ends with a slash: the character after it is 0. */
function rangeOf(prefix: string): { key: string; range_end: string } {
  return { key: encode(prefix), range_end: encode(`${prefix.slice(0, -1)}0`) };
}

function toEntry({ key, value, mod_revision, lease }: KeyValue, root: string): Entry {
  return {
    key: decode(key).slice(root.length),
    value: decode(value),
    revision: mod_revision,
    session: lease === '0' ? null : lease,
  };
}

/** @returns the keys that differ */
function replace(view: Map<string, Entry>, entries: readonly Entry[]): Set<string> {
  const changed = new Set(view.keys());
  const before = new Map(view);
  view.clear();
  for (const entry of entries) {
    view.set(entry.key, entry);
    if (before.get(entry.key)?.revision === entry.revision) changed.delete(entry.key);
    else changed.add(entry.key);
  }
  return changed;
}

const encode = (text: string) => Buffer.from(text).toString('base64');
const decode = (text: string) => Buffer.from(text, 'base64').toString();

function unavailable(error: unknown): Error {
  if (!(error instanceof EtcdError)) return error as Error;
  return new FathomError('cluster.unavailable', `etcd refuses a request: ${error.message}`, { cause: error });
}
