import { z } from 'zod';
import { ENDED_BY, INSTANCE_PHASES, type Instance, PHASE_REASON_CODES } from './instance.ts';

/** Grows when a client and a daemon of different versions would misunderstand each other. */
export const PROTOCOL_VERSION = 1;
export const WEBSOCKET_SUBPROTOCOL = 'fathom.v1';
/** Frames of a client larger than this close the connection with 1009. */
export const MAX_CLIENT_FRAME_BYTES = 64 * 1024;

const time = z.iso.datetime();

export const probeSchema = z.object({
  at: time,
  ok: z.boolean(),
  latency_ms: z.number(),
  error: z.string().nullable(),
});

export const usageSchema = z.object({
  at: time,
  pss_bytes: z.number().nullable(),
  cpu_percent: z.number().nullable(),
  disk_bytes: z.number().nullable(),
  open_connections: z.number().nullable(),
});

export const reasonSchema = z.object({
  code: z.enum(PHASE_REASON_CODES),
  message: z.string(),
  log_tail: z.array(z.string()).exactOptional(),
});

export const lastExitSchema = z.object({
  code: z.int().nullable(),
  signal: z.string().nullable(),
  at: time,
  uptime_s: z.number(),
  ended_by: z.enum(ENDED_BY).nullable(),
});

export const instanceSchema: z.ZodType<Instance> = z
  .object({
    name: z.string(),
    kind: z.enum(['global', 'user']),
    user_id: z.string().nullable(),
    email: z.string().nullable(),
    phase: z.enum(INSTANCE_PHASES),
    since: time,
    desired: z.enum(['running', 'stopped']),
    reason: reasonSchema.nullable(),
    port: z.int().nullable(),
    url: z.string().nullable(),
    pid: z.int().nullable(),
    started_at: time.nullable(),
    restarts: z.int(),
    run: z.int().nullable(),
    attempt: z.int(),
    max_attempts: z.int().nullable(),
    next_attempt_at: time.nullable(),
    last_exit: lastExitSchema.nullable(),
    created_at: time,
    db_path: z.string(),
    pocketbase_version: z.string(),
    probe: probeSchema.nullable(),
    usage: usageSchema.nullable(),
  })
  .meta({ id: 'Instance' });

export const lifecycleInstanceSchema = z.object({
  user_id: z.string(),
  port: z.int(),
  db_path: z.string(),
  url: z.string(),
  status: z.enum(['Starting', 'Running', 'Failed', 'Stopped']),
  created_at: time,
  last_health_check: time.nullable(),
});

export type LifecycleInstance = z.infer<typeof lifecycleInstanceSchema>;

export const credentialsSchema = z.strictObject({
  // Whatever was registered straight at PocketBase, whose idea of an address is wider than ours.
  email: z.string().min(1).max(255),
  // PocketBase hashes with bcrypt, which reads 72 bytes at most.
  password: z.string().min(1).max(71),
});

export const registerSchema = credentialsSchema.extend({
  email: z.email().max(254),
  password: z.string().min(8, 'needs at least 8 characters').max(71),
  name: z.string().max(255).optional(),
});

export const databaseSummarySchema = z.object({
  name: z.string(),
  url: z.string().nullable(),
  port: z.int().nullable(),
  status: z.enum(['Starting', 'Running', 'Failed', 'Stopped']),
});

export type DatabaseSummary = z.infer<typeof databaseSummarySchema>;

/** With a token of the owner there; null when there is none now. */
export const databaseAccessSchema = databaseSummarySchema.extend({ token: z.string().nullable() });

export type DatabaseAccess = z.infer<typeof databaseAccessSchema>;

export const userSummarySchema = z.object({
  id: z.string(),
  email: z.string(),
  role: z.string(),
});

export const sessionSchema = z
  .object({
    token: z.string(),
    expires_at: time,
    user: userSummarySchema,
    /** Null for whoever is not given a database (administrators). */
    database: databaseAccessSchema.nullable(),
  })
  .meta({ id: 'Session' });

export type Session = z.infer<typeof sessionSchema>;

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    request_id: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });

export type Problem = z.infer<typeof problemSchema>;

export const pageQuerySchema = z.object({
  page: z.coerce.number().int().min(1).default(1),
  per_page: z.coerce.number().int().min(1).max(500).default(50),
  sort: z.string().max(64).optional(),
});

/** Of lists that are short as a rule: all of it, when nothing is said. */
export const wholePageQuerySchema = pageQuerySchema
  .omit({ sort: true })
  .extend({ per_page: z.coerce.number().int().min(1).max(500).default(500) });

export interface Page<T> {
  items: T[];
  page: number;
  per_page: number;
  total: number;
}

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), page: z.int(), per_page: z.int(), total: z.int() });
}

const topic = z.union([
  z.enum(['instances', 'queue', 'health', 'audit']),
  z.templateLiteral(['logs:', z.string().min(1).max(128)]),
]);

const frameId = z.union([z.int(), z.string().max(64)]);

/** What a client may send over the stream. */
export const clientFrameSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('subscribe'),
    id: frameId,
    topics: z.array(topic).min(1).max(64),
    /** Of a log: the position after the last line that is known; then the snapshot is empty, and what follows that comes. */
    from: z.int().min(0).optional(),
  }),
  z.strictObject({ type: z.literal('unsubscribe'), id: frameId, topics: z.array(topic).min(1).max(64) }),
  z.strictObject({ type: z.literal('ping'), id: frameId }),
]);

export type ClientFrame = z.infer<typeof clientFrameSchema>;
