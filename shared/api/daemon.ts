import { z } from 'zod';
import { INSTANCE_PHASES, WAKE_CAUSES } from '../instance.ts';
import { SIGN_UP_MODES } from '../sign-up.ts';
import { TASK_STATUSES } from '../task.ts';
import { alertStatusSchema } from './alerts.ts';
import { backupStatusSchema } from './backup-status.ts';
import { endpoint, exampleOf, OPERATION_TIMEOUT_MS } from './contract/endpoint.ts';
import { countsBy, EXAMPLE_DATABASE, EXAMPLE_TIME } from './contract/fields.ts';
import { inactiveStatusSchema } from './inactive-status.ts';
import { sandboxSchema } from './instances.ts';
import { exposureSchema } from './pocketbase.ts';
import { taskCountsSchema } from './queue.ts';
import { trashStatusSchema } from './trash.ts';

const tag = { name: 'Daemon', description: 'State, health and metrics of the daemon.' };
const time = z.iso.datetime();

const EXAMPLE_USAGE = {
  at: EXAMPLE_TIME,
  rss_bytes: 94_371_840,
  cpu_percent: 0.4,
  event_loop_delay_ms: 1.1,
  load_1m: 0.2,
  memory_free_bytes: 2_147_483_648,
  memory_total_bytes: 8_589_934_592,
  processors: 4,
  disk_free_bytes: 53_687_091_200,
  disk_path: '/var/lib/fathom',
  disk_reserve_bytes: 268_435_456,
  writes_held: false,
};

const daemonUsageSchema = z
  .object({
    at: time,
    rss_bytes: z.number(),
    cpu_percent: z.number().nullable(),
    event_loop_delay_ms: z.number(),
    load_1m: z.number(),
    memory_free_bytes: z.number(),
    memory_total_bytes: z.number(),
    processors: z.int(),
    /** Free space on the fullest disk that holds data, databases or logs of Fathom. */
    disk_free_bytes: z.number().nullable(),
    /** A directory on that disk. */
    disk_path: z.string().nullable(),
    /** Reserved for the control plane; 0 after the reserve was released on a full disk, or without one. */
    disk_reserve_bytes: z.int(),
    /** Databases that write are held, because the disk is nearly full. */
    writes_held: z.boolean(),
  })
  .meta({ id: 'DaemonUsage', examples: [EXAMPLE_USAGE] });

export type DaemonUsage = z.infer<typeof daemonUsageSchema>;

const zeros = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 0]));

const cgroupSchema = z
  .object({
    /** Controllers of cgroup version 2. */
    controllers: z.array(z.string()),
    /** Why instances have no cgroups; null when they have. */
    reason: z.string().nullable(),
  })
  .meta({
    id: 'CgroupStatus',
    description: 'What the kernel limits or shares for each instance.',
    examples: [{ controllers: ['memory', 'cpu', 'pids', 'io'], reason: null }],
  });

export type CgroupStatus = z.infer<typeof cgroupSchema>;

const slowWakeSchema = z.object({
  database: z.string(),
  at: time,
  by: z.enum(WAKE_CAUSES),
  /** From the request until the instance ran. */
  duration_ms: z.number(),
});

export type SlowWake = z.infer<typeof slowWakeSchema>;

const recentWakesSchema = z
  .object({
    last_hour: z.int().describe('Number of wakes in the last hour.'),
    slowest: z
      .array(slowWakeSchema)
      .describe('The slowest wakes of that hour, slowest first; empty without access to all databases.'),
  })
  .meta({
    id: 'RecentWakes',
    description: 'Wakes of sleeping databases.',
    examples: [
      {
        last_hour: 34,
        slowest: [{ database: EXAMPLE_DATABASE, at: EXAMPLE_TIME, by: 'connection', duration_ms: 87 }],
      },
    ],
  });

export type RecentWakes = z.infer<typeof recentWakesSchema>;

const statusSchema = z
  .object({
    version: z.string(),
    protocol: z.int(),
    pid: z.int(),
    started_at: time,
    /** True once the global PocketBase answers and the instances are being started. */
    ready: z.boolean(),
    /** What the daemon waits for while it is not ready; otherwise null. */
    waiting_for: z.string().nullable(),
    api_url: z.string(),
    global_url: z.string(),
    data_dir: z.string(),
    pocketbase_version: z.string(),
    /** Path of the executable. */
    pocketbase_path: z.string(),
    exposure: exposureSchema,
    instances: countsBy(INSTANCE_PHASES),
    total_instances: z.int(),
    sign_ups: z.object({
      mode: z.enum(SIGN_UP_MODES),
      databases: z.int().describe('Number of user databases.'),
      max_databases: z.int().nullable().describe('MAX_DATABASES; null without a limit.'),
    }),
    mail: z.object({
      configured: z
        .boolean()
        .nullable()
        .describe(
          'A mail server for mails of accounts is set; null while the global PocketBase cannot be read.',
        ),
      problem: z
        .string()
        .nullable()
        .describe('Why the last mail of an account was not sent; otherwise null.'),
    }),
    queue: taskCountsSchema
      .nullable()
      .meta({ description: 'Null while the global PocketBase cannot be read.' }),
    queue_paused: z.boolean().nullable(),
    usage: daemonUsageSchema.nullable(),
    sandbox: sandboxSchema.describe('The sandbox with which instances start.'),
    cgroup: cgroupSchema,
    sockets: z
      .object({
        held: z.boolean(),
        reason: z.string().nullable().describe('Why they are not held; otherwise null.'),
      })
      .describe('Whether the listening sockets of instances stay open while an instance restarts.'),
    wakes: recentWakesSchema,
    backups: backupStatusSchema,
    alerts: alertStatusSchema,
    trash: trashStatusSchema,
    inactive: inactiveStatusSchema,
    log: z.object({
      dropped: z.int().describe('Number of log lines of the daemon that were lost since its start.'),
      problem: z.string().nullable().describe('Why lines cannot be written now; otherwise null.'),
    }),
    proxies: z
      .object({
        trusted: z.int().describe('Number of requests that TRUSTED_PROXIES sent.'),
        untrusted: z
          .string()
          .nullable()
          .describe('The last other address that sent X-Forwarded-For; null without one.'),
      })
      .describe('Reverse proxies since the start of the daemon.'),
    permissions: z.array(z.string()).meta({ description: 'Permissions of the caller.' }),
  })
  .meta({
    id: 'DaemonStatus',
    examples: [
      {
        version: '0.1.0',
        protocol: 1,
        pid: 4711,
        started_at: EXAMPLE_TIME,
        ready: true,
        waiting_for: null,
        api_url: 'http://127.0.0.1:3000',
        global_url: 'http://127.0.0.1:8090',
        data_dir: '/var/lib/fathom',
        pocketbase_version: '0.39.1',
        pocketbase_path: '/opt/fathom/pocketbase',
        exposure: exampleOf(exposureSchema),
        instances: { ...zeros(INSTANCE_PHASES), running: 4 },
        total_instances: 4,
        sign_ups: { mode: 'open', databases: 3, max_databases: 500 },
        mail: { configured: true, problem: null },
        queue: { ...zeros(TASK_STATUSES), done: 40 },
        queue_paused: false,
        usage: EXAMPLE_USAGE,
        sandbox: { level: 'full', reason: null },
        cgroup: { controllers: ['memory', 'cpu', 'pids', 'io'], reason: null },
        sockets: { held: true, reason: null },
        wakes: exampleOf(recentWakesSchema),
        backups: exampleOf(backupStatusSchema),
        alerts: exampleOf(alertStatusSchema),
        trash: exampleOf(trashStatusSchema),
        inactive: exampleOf(inactiveStatusSchema),
        log: { dropped: 0, problem: null },
        proxies: { trusted: 4, untrusted: null },
        permissions: ['status.read'],
      },
    ],
  });

export type DaemonStatus = z.infer<typeof statusSchema>;

export const getStatus = endpoint({
  operationId: 'getStatus',
  method: 'GET',
  path: '/api/v1/status',
  tag,
  summary: 'Show the state of the daemon',
  description: 'With the permissions of the caller.',
  permission: 'status.read',
  responses: { 200: { description: 'The state.', schema: statusSchema } },
  whileStarting: true,
});

export const getHealth = endpoint({
  operationId: 'getHealth',
  method: 'GET',
  path: '/health',
  tag,
  summary: 'Check that the daemon answers',
  description: 'For liveness checks.',
  permission: 'public',
  responses: {
    200: {
      description: 'The daemon answers.',
      schema: z.object({ status: z.literal('ok') }).meta({ id: 'Health', examples: [{ status: 'ok' }] }),
    },
  },
  whileStarting: true,
});

const readinessSchema = z
  .object({ status: z.enum(['ok', 'waiting']), waiting_for: z.string().nullable() })
  .meta({ id: 'Readiness', examples: [{ status: 'ok', waiting_for: null }] });

export const getReadiness = endpoint({
  operationId: 'getReadiness',
  method: 'GET',
  path: '/health/ready',
  tag,
  summary: 'Check that the daemon is ready',
  description: 'For load balancers: 503 until the global PocketBase runs.',
  permission: 'public',
  responses: {
    200: { description: 'The daemon is ready.', schema: readinessSchema },
    503: { description: '`waiting_for` names what is missing.', schema: readinessSchema, failure: true },
  },
  whileStarting: true,
});

export const getFleetHealth = endpoint({
  operationId: 'getFleetHealth',
  method: 'GET',
  path: '/health/pb',
  tag,
  summary: 'Check that the instances run',
  description:
    '`degraded` while an instance does not run that should. A sleeping instance is available: the next request wakes it.',
  permission: 'public',
  responses: {
    200: {
      description: 'Number of instances.',
      schema: z
        .object({
          status: z.enum(['ok', 'degraded']),
          total_instances: z.int(),
          running_instances: z.int().describe('Number of instances with a process that answers.'),
          asleep_instances: z.int().describe('Number of instances that the next request wakes.'),
          timestamp: time,
        })
        .meta({
          id: 'FleetHealth',
          examples: [
            {
              status: 'ok',
              total_instances: 3,
              running_instances: 2,
              asleep_instances: 1,
              timestamp: EXAMPLE_TIME,
            },
          ],
        }),
    },
  },
  whileStarting: true,
});

export const getMetrics = endpoint({
  operationId: 'getMetrics',
  method: 'GET',
  path: '/metrics',
  tag,
  summary: 'Show metrics for Prometheus',
  description:
    'Series of single databases need the permission metrics.read or databases.read for all databases. See docs/metrics.md.',
  permission: 'public',
  responses: {
    200: {
      description: 'The text format of Prometheus.',
      mediaType: 'text/plain',
      schema: z.string().meta({
        id: 'Metrics',
        examples: ['# TYPE fathom_instances gauge\nfathom_instances{phase="running"} 3\n'],
      }),
    },
  },
  whileStarting: true,
});

export const getOpenApi = endpoint({
  operationId: 'getOpenApi',
  method: 'GET',
  path: '/openapi.json',
  tag,
  summary: 'Show this document',
  description: 'An OpenAPI 3.1 document. `/docs` shows it in a browser.',
  permission: 'public',
  responses: {
    200: {
      description: 'The document.',
      schema: z
        .record(z.string(), z.unknown())
        .meta({ id: 'OpenApiDocument', examples: [{ openapi: '3.1.0' }] }),
    },
  },
  whileStarting: true,
});

const findingSchema = z
  .object({
    id: z.string().meta({ description: 'Kind of the finding; see docs/doctor.md.' }),
    level: z.enum(['ok', 'warning', 'fatal']),
    summary: z.string(),
    remedy: z.string().nullable().meta({ description: 'What to do; null when nothing is wrong.' }),
  })
  .meta({
    id: 'Finding',
    examples: [
      {
        id: 'disk',
        level: 'warning',
        summary: '812 MiB free for /var/lib/fathom',
        remedy: 'free some space, or move the data to a larger disk',
      },
    ],
  });

const reportSchema = z
  .object({ at: time, findings: z.array(findingSchema) })
  .meta({ id: 'DoctorReport', examples: [{ at: EXAMPLE_TIME, findings: [] }] });

export type DoctorFinding = z.infer<typeof findingSchema>;
export type DoctorReport = z.infer<typeof reportSchema>;

export const getDoctorReport = endpoint({
  operationId: 'getDoctorReport',
  method: 'GET',
  path: '/api/v1/doctor',
  tag,
  summary: 'Check the host of the daemon',
  description: 'Runs `fathomd doctor` on the host. Requests within 2 seconds share one report.',
  permission: 'host.read',
  responses: { 200: { description: 'Every finding.', schema: reportSchema } },
  errors: ['not_found'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

const logSchema = z
  .object({
    lines: z.array(
      z.object({
        at: z.string(),
        level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']),
        text: z.string(),
      }),
    ),
  })
  .meta({
    id: 'DaemonLog',
    examples: [{ lines: [{ at: EXAMPLE_TIME, level: 'info', text: 'the daemon is ready databases=3' }] }],
  });

export type DaemonLogLine = z.infer<typeof logSchema>['lines'][number];

export const getDaemonLog = endpoint({
  operationId: 'getDaemonLog',
  method: 'GET',
  path: '/api/v1/daemon/log',
  tag,
  summary: 'Show the last lines of the daemon log',
  description: 'Lines since the start of the daemon, at most the last 2,000, oldest first.',
  permission: 'host.read',
  query: z.object({ tail: z.coerce.number().int().min(1).max(2_000).default(200) }),
  responses: { 200: { description: 'The lines.', schema: logSchema } },
});

/** Methods of `client.daemon`. */
export const daemon = {
  status: getStatus,
  health: getHealth,
  readiness: getReadiness,
  fleetHealth: getFleetHealth,
  metrics: getMetrics,
  openApi: getOpenApi,
  doctor: getDoctorReport,
  log: getDaemonLog,
};
