import { z } from 'zod';
import { DRAIN_PURPOSES, drainProgressSchema, receivingSchema } from '../../shared/api/nodes.ts';
import { FathomError } from '../../shared/errors.ts';
import type { Entry } from './coordinator.ts';

/** Nodes with a session. */
export const NODES = 'nodes/';
/** All nodes that joined and were not removed, as they were then. */
export const MEMBERS = 'members/';
export const OWNERS = 'owners/';
/** Nodes that give their databases away. */
export const DRAINS = 'drains/';

export const nodeKey = (node: string) => NODES + node;
export const memberKey = (node: string) => MEMBERS + node;
export const drainKey = (node: string) => DRAINS + node;
/** Of all databases of one fleet. */
export const ownersOf = (fleet: string) => `${OWNERS}${fleet}/`;

/** What a node publishes. */
const nodeSchema = z.object({
  node: z.string(),
  /** Differs for each server and data directory: two of them may get the same name by mistake. */
  machine: z.string(),
  /** Differs for each start of the server. */
  boot: z.string(),
  /** Its control plane with all databases. */
  fleet: z.string(),
  address: z.string(),
  /** Of its API. Nodes of earlier releases do not say it. */
  api_port: z.int().optional(),
  version: z.string(),
  started_at: z.iso.datetime(),
  /** When it was written, by the clock of the node. */
  at: z.iso.datetime(),
  /** Whether its databases end with its session, and are replicated: then other nodes may take them over. */
  takeover: z.boolean(),
  /** Whether it runs databases. Nodes of earlier releases do not say so. */
  serves: z.boolean().optional(),
  /** Ids of its secrets. Databases can be used only with the secrets of their last owner. */
  secrets: z.string(),
  databases: z.int(),
  running: z.int(),
  load_1m: z.number(),
  processors: z.int(),
  memory_total_bytes: z.number(),
  memory_free_bytes: z.number(),
  /** While it is drained. Nodes of earlier releases do not say so. */
  drain: drainProgressSchema.optional(),
  /** While databases move to it. Nodes of earlier releases do not say so. */
  receiving: receivingSchema.optional(),
});

export type NodeRecord = z.infer<typeof nodeSchema>;

/** What the replica of a database can lack: changes of `data.db`, or uploaded files. */
export const LACKS = ['changes', 'files'] as const;
export type Lack = (typeof LACKS)[number];

/** Which node may run a database. It stays when that node is gone. */
const ownerSchema = z.object({
  /** Null when it was taken from a node that was removed. */
  node: z.string().nullable(),
  /** Grows with each new owner. */
  epoch: z.int(),
  since: z.iso.datetime(),
  /** The last replica that is complete: its path below REPLICA. Null while there is none. */
  source: z.string().nullable(),
  /** What the replica lacks since a stop of the node: no other one takes the database over. Earlier releases do not know it. */
  lacks: z.array(z.enum(LACKS)).optional(),
  /** Another node may have it, when it has restored `source` as it is. The database runs nowhere meanwhile. */
  handover: z
    .object({
      to: z.string(),
      /** Of `data.db`. */
      sha256: z.string(),
      /** Why the other node does not take it; null while it has not said so. */
      refused: z.string().nullable(),
    })
    .optional(),
});

export type OwnerRecord = z.infer<typeof ownerSchema>;

const drainSchema = z.object({
  since: z.iso.datetime(),
  // Nodes of earlier releases do not write it, and those of later ones can know more.
  purpose: z.enum(DRAIN_PURPOSES).catch('maintenance'),
});

export type DrainRecord = z.infer<typeof drainSchema>;

export const parseNode = (entry: Entry) => parseEntry(entry, nodeSchema);
export const parseOwner = (entry: Entry) => parseEntry(entry, ownerSchema);
export const parseDrain = (entry: Entry) => parseEntry(entry, drainSchema);

/** @throws FathomError `cluster.unavailable` */
export function parseEntry<T>({ key, value }: Entry, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(value));
  } catch (error) {
    throw new FathomError(
      'cluster.unavailable',
      `the entry ${key} in etcd is not of this release of Fathom; correct or remove it with etcdctl`,
      { cause: error },
    );
  }
}
