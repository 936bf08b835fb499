import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../../errors.ts';
import type { Permission } from '../accounts/permissions.ts';
import { describeIssue } from './value-errors.ts';

z.config({ customError: describeIssue });

/** A group of operations in the OpenAPI document and docs/api.md. */
export interface Tag {
  name: string;
  description: string;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface ResponseContract {
  description: string;
  /** Absent: the response has no body. */
  schema?: z.ZodType;
  /** JSON by default. */
  mediaType?: string;
  /** The response is read while it arrives, and is of any size. */
  stream?: true;
  /** The response reports a failure: 503 of a health check. */
  failure?: true;
}

/**
 * Which node of a cluster answers: `each` the one that is asked, `database` the owner of the database `name`, `account` the owner of
 * the database of the user `id`, `leader` the node with the control plane. Other nodes forward the request to it.
 */
export type Answerer = 'each' | 'database' | 'account' | 'leader';

/** One operation of the HTTP API. The route, the client, the OpenAPI document and docs/api.md derive from it. */
export interface Endpoint {
  operationId: string;
  method: Method;
  /** With parameters as in OpenAPI: `/api/v1/users/{id}`. */
  path: `/${string}`;
  tag: Tag;
  /** Imperative, one line. */
  summary: string;
  description?: string;
  /** `edge`: for the reverse proxy, which sends EDGE_TOKEN. */
  permission: Permission | 'public' | 'edge';
  /** Name in the audit log; null if it is not recorded. Required for every operation that changes something. */
  audit?: string | null;
  /** Words of a command that calls the operation, like `sessions list`. The command line derives the command. */
  command?: `${string} ${string}`;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** By status. The lowest one is the default. */
  responses: Readonly<Record<number, ResponseContract>>;
  /** Codes of errors in addition to those of `errorsOf`. */
  errors?: readonly ErrorCode[];
  /** `lifecycle`: the format of the lifecycle API instead of RFC 9457. */
  errorForm?: 'lifecycle';
  /** Available while the daemon starts; `accounts`: in a cluster, once the control plane answers. */
  whileStarting?: true | 'accounts';
  /** Which node of a cluster answers, if it is not the one that its path says (`answererOf`). */
  answeredBy?: Answerer;
  /** Of the body; 64 KiB by default. */
  bodyLimitBytes?: number;
  /** How long a client should wait for the answer, in milliseconds; 10 s by default. */
  timeoutMs?: number;
}

/** Longer than the daemon itself waits for an instance to start or stop. */
export const OPERATION_TIMEOUT_MS = 120_000;

/** The operations of one resource, by the name of their method in the client: `client.users.list()`. */
export type Resource = Readonly<Record<string, Endpoint>>;

/** Declares an endpoint and keeps its exact type. */
export function endpoint<const E extends Endpoint>(declaration: E): E {
  return declaration;
}

const OF_DATABASE = '/api/v1/databases/{name}';
const OF_QUEUE = '/api/v1/queue/';

export function answererOf({
  answeredBy,
  method,
  path,
}: Pick<Endpoint, 'answeredBy' | 'method' | 'path'>): Answerer {
  if (answeredBy !== undefined) return answeredBy;
  // The trash is on the leader.
  if (method === 'DELETE' && path === OF_DATABASE) return 'leader';
  if (path.startsWith(OF_DATABASE)) return 'database';
  return path.startsWith(OF_QUEUE) ? 'leader' : 'each';
}

/** Every error that an operation can answer with. */
export function errorsOf(declaration: Endpoint): ErrorCode[] {
  const { method, permission, errors = [], whileStarting } = declaration;
  const codes: ErrorCode[] = [
    'request.invalid',
    // Public operations reject an invalid token as well.
    'auth.required',
    ...(permission === 'public' || permission === 'edge' ? [] : (['auth.forbidden'] as const)),
    ...(method === 'GET' || method === 'DELETE'
      ? []
      : (['request.too_large', 'request.unsupported_type'] as const)),
    'rate_limited',
    'internal',
    ...(answererOf(declaration) === 'each' ? [] : (['cluster.unavailable'] as const)),
    ...(whileStarting === true ? [] : (['daemon.starting', 'control_plane.unavailable'] as const)),
    ...errors,
  ];
  return [...new Set(codes)].toSorted((a, b) => ERROR_CODES[a].status - ERROR_CODES[b].status);
}

/** The first example in the `meta` of a schema. */
export function exampleOf(schema: z.ZodType): unknown {
  const examples = z.globalRegistry.get(schema)?.['examples'];
  return Array.isArray(examples) ? examples[0] : undefined;
}

/** A response without a body. */
export function noContent(description: string): { 204: { description: string } } {
  return { 204: { description } };
}

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    request_id: z.string(),
    errors: z
      .array(
        z.object({
          path: z.string(),
          message: z.string(),
          code: z.string().optional().meta({ description: 'For programs, such as `version_conflict`.' }),
        }),
      )
      .optional(),
  })
  .meta({
    id: 'Problem',
    description: 'An error (RFC 9457). `detail` says what failed, why, and what to do.',
  });

export type Problem = z.infer<typeof problemSchema>;
