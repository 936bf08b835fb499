import { z } from 'zod';
import { exampleOf } from './api/endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_ID, EXAMPLE_TIME } from './api/fields.ts';
import { ENDED_BY, INSTANCE_PHASES, type Instance, PHASE_REASON_CODES } from './instance.ts';

/** Increases with every change that an older client or daemon would misunderstand. */
export const PROTOCOL_VERSION = 1;
export const WEBSOCKET_SUBPROTOCOL = 'fathom.v1';
/** A larger frame from a client closes the connection with code 1009. */
export const MAX_CLIENT_FRAME_BYTES = 64 * 1024;

const time = z.iso.datetime();

const EXAMPLE_PROBE = { at: EXAMPLE_TIME, ok: true, latency_ms: 2.4, error: null };

export const probeSchema = z
  .object({
    at: time,
    ok: z.boolean(),
    latency_ms: z.number(),
    error: z.string().nullable(),
  })
  .meta({ id: 'Probe', description: 'One liveness probe.', examples: [EXAMPLE_PROBE] });

const EXAMPLE_USAGE = {
  at: EXAMPLE_TIME,
  pss_bytes: 7_340_032,
  cpu_percent: 0.2,
  disk_bytes: 1_048_576,
  open_connections: 1,
};

export const usageSchema = z
  .object({
    at: time,
    pss_bytes: z.number().nullable(),
    cpu_percent: z.number().nullable(),
    disk_bytes: z.number().nullable(),
    open_connections: z.number().nullable(),
  })
  .meta({
    id: 'Usage',
    description: 'The resource usage of an instance; null where it could not be read.',
    examples: [EXAMPLE_USAGE],
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
  .meta({
    id: 'Instance',
    description: 'One PocketBase process, running or not.',
    examples: [
      {
        name: EXAMPLE_DATABASE,
        kind: 'user',
        user_id: EXAMPLE_ID,
        email: 'johndoe@example.com',
        phase: 'running',
        since: EXAMPLE_TIME,
        desired: 'running',
        reason: null,
        port: 9123,
        url: 'http://127.0.0.1:9123',
        pid: 4711,
        started_at: EXAMPLE_TIME,
        restarts: 0,
        run: 1,
        attempt: 0,
        max_attempts: 8,
        next_attempt_at: null,
        last_exit: null,
        created_at: EXAMPLE_TIME,
        db_path: `/var/lib/fathom/user_dbs/${EXAMPLE_DATABASE}/pb_data`,
        pocketbase_version: '0.39.1',
        probe: EXAMPLE_PROBE,
        usage: EXAMPLE_USAGE,
      },
    ],
  });

export const lifecycleInstanceSchema = z
  .object({
    user_id: z.string(),
    port: z.int(),
    db_path: z.string(),
    url: z.string(),
    status: z.enum(['Starting', 'Running', 'Failed', 'Stopped']),
    created_at: time,
    last_health_check: time.nullable(),
  })
  .meta({
    id: 'LifecycleInstance',
    examples: [
      {
        user_id: EXAMPLE_ID,
        port: 9123,
        db_path: `/var/lib/fathom/user_dbs/${EXAMPLE_DATABASE}/pb_data`,
        url: 'http://127.0.0.1:9123',
        status: 'Running',
        created_at: EXAMPLE_TIME,
        last_health_check: EXAMPLE_TIME,
      },
    ],
  });

export type LifecycleInstance = z.infer<typeof lifecycleInstanceSchema>;

export const credentialsSchema = z
  .strictObject({
    // Wider than for a registration: accounts made directly in PocketBase may have longer addresses.
    email: z.string().min(1).max(255),
    // PocketBase hashes with bcrypt, which reads at most 72 bytes.
    password: z.string().min(1).max(71),
  })
  .meta({ id: 'Credentials', examples: [{ email: 'johndoe@example.com', password: 'a-good-password' }] });

/** Other properties are fields that the administrator has added to the accounts. */
export const registerSchema = z
  .looseObject({
    email: z.string().min(1).max(254).meta({
      format: 'idn-email',
      description: 'The global PocketBase validates the address: see docs/security.md.',
    }),
    password: z.string().min(8, 'needs at least 8 characters').max(71),
    name: z.string().max(255).optional(),
  })
  .meta({
    id: 'NewAccount',
    examples: [{ email: 'johndoe@example.com', password: 'a-good-password', name: 'John Doe' }],
  });

const EXAMPLE_SUMMARY = {
  name: EXAMPLE_DATABASE,
  url: 'http://127.0.0.1:9123',
  port: 9123,
  status: 'Running',
};

export const databaseSummarySchema = z
  .object({
    name: z.string(),
    url: z.string().nullable(),
    port: z.int().nullable(),
    status: z.enum(['Starting', 'Running', 'Failed', 'Stopped']),
  })
  .meta({ id: 'DatabaseSummary', examples: [EXAMPLE_SUMMARY] });

export type DatabaseSummary = z.infer<typeof databaseSummarySchema>;

/** `token` signs the owner in at this database; null if no token is available at the moment. */
export const databaseAccessSchema = databaseSummarySchema.extend({ token: z.string().nullable() }).meta({
  id: 'DatabaseAccess',
  examples: [{ ...EXAMPLE_SUMMARY, token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature' }],
});

export type DatabaseAccess = z.infer<typeof databaseAccessSchema>;

const EXAMPLE_USER = { id: EXAMPLE_ID, email: 'johndoe@example.com', role: 'user' };

export const userSummarySchema = z
  .object({
    id: z.string(),
    email: z.string(),
    role: z.string(),
  })
  .meta({ id: 'UserSummary', examples: [EXAMPLE_USER] });

export const sessionSchema = z
  .object({
    token: z.string(),
    expires_at: time,
    user: userSummarySchema,
    /** Null for accounts without a database (administrators). */
    database: databaseAccessSchema.nullable(),
  })
  .meta({
    id: 'Session',
    description:
      "Use `token` for this API, and `database.token` for the account's own PocketBase: `pb.authStore.save(token)`.",
    examples: [
      {
        token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature',
        expires_at: EXAMPLE_TIME,
        user: EXAMPLE_USER,
        database: { ...EXAMPLE_SUMMARY, token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature' },
      },
    ],
  });

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
  .meta({
    id: 'Problem',
    description: 'An error (RFC 9457). `detail` says what failed, why, and what to do.',
  });

export type Problem = z.infer<typeof problemSchema>;

function perPage(standard: number) {
  const size = z.coerce.number().int().min(1).max(500).default(standard);
  return size.meta({ description: 'Number of items per page.' });
}

export const pageQuerySchema = z.object({
  page: z.coerce.number().int().min(1).default(1).meta({ description: 'Page number, starting at 1.' }),
  per_page: perPage(50),
  sort: z.string().max(64).optional().meta({ description: 'Field to sort by; `-field` sorts descending.' }),
});

/** For lists that are usually short: one page holds the complete list by default. */
export const wholePageQuerySchema = pageQuerySchema.omit({ sort: true }).extend({ per_page: perPage(500) });

/** Which page of a list is wanted; pages count from 1. */
export type PageRequest = z.infer<typeof wholePageQuerySchema>;

export interface Page<T> {
  items: T[];
  page: number;
  per_page: number;
  total: number;
}

export function pageOf<T extends z.ZodType>(item: T) {
  const page = z.object({ items: z.array(item), page: z.int(), per_page: z.int(), total: z.int() });
  return page.meta({ examples: [{ items: [exampleOf(item)], page: 1, per_page: 50, total: 1 }] });
}

const topic = z.union([
  z.enum(['instances', 'queue', 'health', 'audit']),
  z.templateLiteral(['logs:', z.string().min(1).max(128)]),
]);

const frameId = z.union([z.int(), z.string().max(64)]);

/** The frames that a client may send over the stream. */
export const clientFrameSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('subscribe'),
    id: frameId,
    topics: z.array(topic).min(1).max(64),
    /** Logs only: the position to continue from. The snapshot is then empty, and the lines after the position follow. */
    from: z.int().min(0).optional(),
  }),
  z.strictObject({ type: z.literal('unsubscribe'), id: frameId, topics: z.array(topic).min(1).max(64) }),
  z.strictObject({ type: z.literal('ping'), id: frameId }),
]);

export type ClientFrame = z.infer<typeof clientFrameSchema>;
