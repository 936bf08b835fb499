import { z } from 'zod';
import { endpoint } from '../contract/endpoint.ts';
import { pageOf } from '../contract/page.ts';

/** Operations on the caller's own database, which its application `work-items` answers at the same paths. */

const tag = {
  name: 'Work items',
  description: 'Projects and items in the own database, with the application work-items.',
};

/** A description has up to 20,000 characters, and JSON can write each of them in six bytes. */
const BODY_LIMIT_BYTES = 256 * 1024;
/** Time to wake the database, and for its answer. */
const TIMEOUT_MS = 30_000;

const EXAMPLE_ITEM = '0b8f4c1e-7a52-4d0e-9a39-3f6f1c2d4e5a';
const EXAMPLE_MEMBER = 'k3v9x2m7q1w8e5r';
const EXAMPLE_MS = 1_768_465_800_000;

const itemId = z
  .string()
  .regex(/^[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}$/, 'is not the id of a work item')
  .meta({ description: 'Id of a work item.', examples: [EXAMPLE_ITEM] });
const itemParams = z.object({ id: itemId });
/** Of an item, a sprint or a member. */
const anyId = z.string().min(1).max(36);
const itemType = z.enum(['project', 'epic', 'story', 'task']);
const status = z.string().min(1).max(40);

const workItemSchema = z
  .object({
    id: z.string(),
    item_type: itemType,
    title: z.string(),
    description: z.string(),
    status: z.string(),
    priority: z.int(),
    parent_id: z.string().nullable(),
    project_id: z.string().meta({ description: 'Of a project, its own id.' }),
    assignee: z.object({ id: z.string(), name: z.string() }).nullable(),
    sprint: z.object({ id: z.string(), name: z.string(), status: z.string() }).nullable(),
    rank: z.string().meta({ description: 'The order of items is that of the bytes of their ranks.' }),
    version: z.int(),
    created_at: z.int().meta({ description: 'Milliseconds since 1970.' }),
    updated_at: z.int().meta({ description: 'Milliseconds since 1970.' }),
  })
  .meta({
    id: 'WorkItem',
    examples: [
      {
        id: EXAMPLE_ITEM,
        item_type: 'project',
        title: 'Website',
        description: '',
        status: 'backlog',
        priority: 0,
        parent_id: null,
        project_id: EXAMPLE_ITEM,
        assignee: { id: EXAMPLE_MEMBER, name: 'Ann' },
        sprint: null,
        rank: 'V',
        version: 1,
        created_at: EXAMPLE_MS,
        updated_at: EXAMPLE_MS,
      },
    ],
  });

const shared = {
  tag,
  timeoutMs: TIMEOUT_MS,
  errors: ['not_found', 'conflict', 'database.unavailable', 'database.failed', 'application.missing'],
} as const;
const reads = { ...shared, method: 'GET', permission: 'work-items.read' } as const;
const writes = {
  ...shared,
  permission: 'work-items.write',
  // The activity log of the database records it.
  audit: null,
  bodyLimitBytes: BODY_LIMIT_BYTES,
  errors: [...shared.errors, 'database.full'],
} as const;

export const work = {
  listWorkItems: endpoint({
    ...reads,
    operationId: 'listWorkItems',
    path: '/api/v1/work-items',
    summary: 'List work items',
    description: 'In the order of their ranks. All filters can be combined.',
    query: z.strictObject({
      item_type: itemType.optional(),
      status: status.optional(),
      project_id: anyId.optional(),
      assignee_id: anyId.optional(),
      sprint_id: anyId.optional(),
      parent_id: anyId.optional(),
      page: z.coerce.number().int().min(1).max(1_000_000).default(1).meta({
        description: 'Page number, starting at 1.',
      }),
      per_page: z.coerce.number().int().min(1).max(200).default(50).meta({
        description: 'Number of items per page.',
      }),
    }),
    responses: { 200: { description: 'One page of items.', schema: pageOf(workItemSchema) } },
  }),
  createWorkItem: endpoint({
    ...writes,
    operationId: 'createWorkItem',
    method: 'POST',
    path: '/api/v1/work-items',
    summary: 'Create a work item',
    description: 'The owner of the database is its author. Values that are left out are filled in.',
    body: z
      .strictObject({
        item_type: itemType,
        title: z.string().min(1).max(200),
        description: z.string().max(20_000).optional(),
        status: status.optional(),
        priority: z.int().min(0).max(4).optional().meta({ description: '4 is the highest.' }),
        parent_id: anyId.nullable().optional(),
        project_id: anyId.nullable().optional(),
        assignee_id: anyId.nullable().optional(),
        sprint_id: anyId.nullable().optional(),
      })
      .meta({ id: 'NewWorkItem', examples: [{ item_type: 'project', title: 'Website' }] }),
    responses: { 201: { description: 'The new item.', schema: workItemSchema } },
  }),
  getWorkItem: endpoint({
    ...reads,
    operationId: 'getWorkItem',
    path: '/api/v1/work-items/{id}',
    summary: 'Show a work item',
    description: 'With its assignee and its sprint.',
    params: itemParams,
    responses: { 200: { description: 'The item.', schema: workItemSchema } },
  }),
};
