import { z } from 'zod';
import { endpoint } from './contract/endpoint.ts';
import { databaseName, EXAMPLE_DATABASE, EXAMPLE_TIME } from './contract/fields.ts';

const tag = { name: 'Nodes', description: 'Servers of a cluster, with FATHOM_CLUSTER.' };
const time = z.iso.datetime();

export const NODE_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/;

const EXAMPLE_NODE = {
  name: 'n1',
  state: 'online',
  address: '10.0.0.1',
  version: '0.1.0',
  fleet: '0b5c5a38-6a53-4a52-9f0d-0d1f1c1f4e11',
  started_at: EXAMPLE_TIME,
  seen_at: EXAMPLE_TIME,
  databases: 120,
  running: 35,
  load_1m: 0.4,
  processors: 4,
  memory_total_bytes: 8_589_934_592,
  memory_free_bytes: 2_147_483_648,
  receiving: [],
  drain: null,
};

/** `upgrade`: `fathomd upgrade --cluster` drains the node, and undrains it when the new release runs. */
export const DRAIN_PURPOSES = ['maintenance', 'upgrade'] as const;

export type DrainPurpose = (typeof DRAIN_PURPOSES)[number];

/** How far a node is that gives its databases away. */
export const drainProgressSchema = z.object({
  left: z.int().describe('Databases that are still there.'),
  moving: z.int().describe('Of these: databases that move now.'),
  failed: z.int().describe('Of these: databases that could not be moved. The node tries again.'),
  problems: z
    .array(z.object({ name: databaseName, message: z.string() }))
    .describe('Why. The first 20 of those that failed.'),
});

export type DrainProgress = z.infer<typeof drainProgressSchema>;

/** Databases that a node restores because they move to it. */
export const receivingSchema = z.array(
  z.object({ name: databaseName, bytes: z.number().describe('Of its files that are there already.') }),
);

const nodeSchema = z
  .object({
    name: z.string(),
    state: z
      .enum(['online', 'offline'])
      .describe('`offline`: its session has ended. Its databases may still run.'),
    address: z.string(),
    version: z.string().describe('Of Fathom.'),
    fleet: z.string().describe('Id of its control plane. A copy of the data directory has the same.'),
    started_at: time.describe('When its daemon started.'),
    seen_at: time.describe(
      'When it published this, by its own clock. Of an offline node: when it joined last.',
    ),
    databases: z.int(),
    running: z.int().describe('Databases with a process.'),
    load_1m: z.number(),
    processors: z.int(),
    memory_total_bytes: z.number(),
    memory_free_bytes: z.number(),
    receiving: receivingSchema.describe(
      'Databases that move to this node now. A move is ended when nothing changes for 3 minutes.',
    ),
    drain: z
      .object({
        since: time,
        purpose: z
          .enum(DRAIN_PURPOSES)
          .describe(
            '`upgrade`: `fathomd upgrade --cluster` drained it, and has not finished. Otherwise `maintenance`.',
          ),
        control_plane: z
          .boolean()
          .describe('Whether the node has the control plane. A stop of its daemon gives it to another node.'),
        progress: drainProgressSchema
          .nullable()
          .describe('Null until the node has looked at its databases, and while it is offline.'),
      })
      .nullable()
      .describe('Null for a node that is not drained.'),
  })
  .meta({
    id: 'ClusterNode',
    examples: [EXAMPLE_NODE],
  });

export type ClusterNode = z.infer<typeof nodeSchema>;

const etcdServerSchema = z
  .object({
    endpoint: z.string(),
    problem: z.string().nullable().describe('Why it cannot be used; null when it can.'),
    version: z.string().nullable(),
  })
  .meta({
    id: 'EtcdServerState',
    description: 'A server of etcd, as the node sees it that answers.',
    examples: [{ endpoint: 'https://10.0.0.1:2379', problem: null, version: '3.5.21' }],
  });

export type EtcdServerState = z.infer<typeof etcdServerSchema>;

const listSchema = z
  .object({
    cluster: z.string().describe('FATHOM_CLUSTER_NAME.'),
    node: z.string().describe('The node that answers.'),
    problem: z.string().nullable().describe('Why this node is not registered now; null when it is.'),
    etcd: z.array(etcdServerSchema).describe('The servers that FATHOM_CLUSTER names.'),
    items: z.array(nodeSchema),
  })
  .meta({
    id: 'NodeList',
    examples: [{ cluster: 'default', node: 'n1', problem: null, etcd: [], items: [EXAMPLE_NODE] }],
  });

export type NodeList = z.infer<typeof listSchema>;

export const listNodes = endpoint({
  operationId: 'listNodes',
  method: 'GET',
  path: '/api/v1/nodes',
  tag,
  summary: 'List the nodes of the cluster',
  description: 'Without FATHOM_CLUSTER, the response is `conflict`.',
  permission: 'host.read',
  responses: { 200: { description: 'All nodes, by name.', schema: listSchema } },
  errors: ['conflict', 'cluster.unavailable'],
  whileStarting: true,
  timeoutMs: 30_000,
});

const named = z.object({
  name: z
    .string()
    .regex(NODE_NAME, 'is not the name of a node')
    .meta({ description: 'Name of a node.', examples: ['n1'] }),
});

const removedSchema = z
  .object({ databases: z.int().describe('Databases that other nodes may start now.') })
  .meta({ id: 'RemovedNode', examples: [{ databases: 120 }] });

export const removeNode = endpoint({
  operationId: 'removeNode',
  method: 'POST',
  path: '/api/v1/nodes/{name}/remove',
  tag,
  summary: 'Remove a node whose server is off',
  description:
    'Frees its databases: a node with a copy of its data directory may start them. The server must be off and stay off, because Fathom cannot stop what still runs there.',
  permission: 'nodes.write',
  audit: 'node.remove',
  params: named,
  responses: { 200: { description: 'What was freed.', schema: removedSchema } },
  errors: ['not_found', 'conflict', 'cluster.unavailable'],
  whileStarting: true,
  timeoutMs: 60_000,
});

export const drainNode = endpoint({
  operationId: 'drainNode',
  method: 'POST',
  path: '/api/v1/nodes/{name}/drain',
  tag,
  summary: 'Move all databases of a node to other nodes',
  description:
    'Any node answers, at once. The node that is drained then moves its databases, and says in the list of nodes how far it is. It takes over nothing and gets no databases until it is undrained, also after a restart. `conflict`: no other node can take its databases. With the purpose `upgrade`, also: another node of the fleet is offline, drained, or cannot take databases. A node that is drained for `maintenance` stays so.',
  permission: 'nodes.write',
  audit: 'node.drain',
  params: named,
  body: z
    .object({ purpose: z.enum(DRAIN_PURPOSES).default('maintenance') })
    .nullish()
    .meta({ examples: [{ purpose: 'maintenance' }] }),
  responses: { 200: { description: 'The node.', schema: nodeSchema } },
  errors: ['not_found', 'conflict', 'cluster.unavailable'],
  whileStarting: true,
  timeoutMs: 30_000,
});

export const undrainNode = endpoint({
  operationId: 'undrainNode',
  method: 'POST',
  path: '/api/v1/nodes/{name}/undrain',
  tag,
  summary: 'Let a node take databases again',
  description:
    'Moves that have begun go on to their end. Databases that have moved stay where they are. A node that is not drained stays as it is.',
  permission: 'nodes.write',
  audit: 'node.undrain',
  params: named,
  responses: { 200: { description: 'The node.', schema: nodeSchema } },
  errors: ['not_found', 'conflict', 'cluster.unavailable'],
  whileStarting: true,
  timeoutMs: 30_000,
});

const nodeName = z.string().regex(NODE_NAME, 'is not the name of a node');

const moveSchema = z
  .strictObject({ node: nodeName.meta({ description: 'Name of the node that runs it afterwards.' }) })
  .meta({ id: 'DatabaseMove', examples: [{ node: 'n2' }] });

const movedSchema = z
  .object({ name: databaseName, node: nodeName.meta({ description: 'The node that runs it.' }) })
  .meta({ id: 'MovedDatabase', examples: [{ name: EXAMPLE_DATABASE, node: 'n2' }] });

export const moveDatabase = endpoint({
  operationId: 'moveDatabase',
  method: 'POST',
  path: '/api/v1/databases/{name}/move',
  tag,
  summary: 'Move a database to another node of the cluster',
  description:
    'Ends its process. The other node restores its replica, compares the SHA-256 of `data.db`, and starts it. Otherwise it starts here again, and the response is `conflict`.',
  permission: 'nodes.write',
  audit: 'database.move',
  params: z.object({ name: databaseName }),
  body: moveSchema,
  responses: { 200: { description: 'Where it is now.', schema: movedSchema } },
  errors: ['not_found', 'conflict', 'cluster.unavailable', 'instance.failed'],
  timeoutMs: 300_000,
});

/** Methods of `client.nodes`. */
export const nodes = {
  list: listNodes,
  drain: drainNode,
  undrain: undrainNode,
  remove: removeNode,
  move: moveDatabase,
};
