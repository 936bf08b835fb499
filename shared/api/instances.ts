import { z } from 'zod';
import { DATABASE_ACCESS } from '../access.ts';
import { ENDED_BY, INSTANCE_PHASES } from '../instance.ts';
import { PHASE_REASON_CODES } from '../reasons.ts';
import { SANDBOX_LEVELS } from '../sandbox.ts';
import { EXAMPLE_DATABASE, EXAMPLE_ID, EXAMPLE_TIME } from './contract/fields.ts';

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
  sustained_cpu_percent: 0.2,
  disk_bytes: 1_048_576,
  open_connections: 1,
};

export const usageSchema = z
  .object({
    at: time,
    /** Proportional set size: shared pages of the binary count once for the whole fleet. */
    pss_bytes: z.number().nullable(),
    /** Percent of one core since the previous measurement. */
    cpu_percent: z.number().nullable(),
    /** The same over at least 30 seconds. */
    sustained_cpu_percent: z.number().nullable(),
    disk_bytes: z.number().nullable(),
    open_connections: z.number().nullable(),
  })
  .meta({
    id: 'Usage',
    description: 'The resource usage of an instance; null where it could not be read.',
    examples: [EXAMPLE_USAGE],
  });

export type Probe = z.infer<typeof probeSchema>;
export type Usage = z.infer<typeof usageSchema>;

const EXAMPLE_LIMITS = { memory_bytes: 536_870_912, disk_bytes: null, sleep_after: 30 };

export const limitsSchema = z
  .object({
    memory_bytes: z.int().nullable(),
    disk_bytes: z.int().nullable(),
    /** Minutes without use after which it sleeps; 0 for never. */
    sleep_after: z.int(),
  })
  .meta({
    id: 'InstanceLimits',
    description:
      'The limits in force: of the database, its plan, or the settings. Null without a limit. `sleep_after` is in minutes, 0 for never.',
    examples: [EXAMPLE_LIMITS],
  });

export type InstanceLimits = z.infer<typeof limitsSchema>;

export const sandboxSchema = z
  .object({
    level: z.enum(SANDBOX_LEVELS),
    /** Null with the level `full`. */
    reason: z.string().nullable(),
  })
  .meta({
    id: 'Sandbox',
    description: 'How much of the host a PocketBase process can reach, and why it is not less.',
    examples: [{ level: 'full', reason: null }],
  });

export type Sandbox = z.infer<typeof sandboxSchema>;

/** Why an instance is in its phase. */
export const reasonSchema = z.object({
  code: z.enum(PHASE_REASON_CODES),
  /** One line: what happened and, if possible, what to do. */
  message: z.string(),
  /** The last lines of the process's output, oldest first. */
  log_tail: z.array(z.string()).exactOptional(),
});

export type PhaseReason = z.infer<typeof reasonSchema>;

export const lastExitSchema = z.object({
  code: z.int().nullable(),
  signal: z.string().nullable(),
  at: time,
  uptime_s: z.number(),
  /**
   * `request`: an administrator or the shutdown of the daemon stopped it. `fathomd`: the daemon killed it because it hung
   * or its files were wrong; the reason says which. Null: it exited by itself, or another program killed it.
   */
  ended_by: z.enum(ENDED_BY).nullable(),
});

export type LastExit = z.infer<typeof lastExitSchema>;

export const crashesSchema = z.object({ count: z.int(), since: time, last_at: time }).meta({
  id: 'Crashes',
  description:
    'Consecutive unrequested exits. Ten minutes of running or sleeping, a stop, and a start by a person end the series.',
  examples: [{ count: 12, since: EXAMPLE_TIME, last_at: EXAMPLE_TIME }],
});

export const portMoveSchema = z.object({
  from: z.int(),
  at: time,
  reason: z.string().describe('Why it could not use its former port.'),
});

export type PortMove = z.infer<typeof portMoveSchema>;

export const instanceSchema = z
  .object({
    name: z.string(),
    kind: z.enum(['global', 'user']),
    user_id: z.string().nullable(),
    email: z.string().nullable(),
    phase: z.enum(INSTANCE_PHASES),
    /** Start of the current phase. */
    since: time,
    desired: z.enum(['running', 'stopped']),
    /** Null when there is nothing to explain. */
    reason: reasonSchema.nullable(),
    port: z.int().nullable(),
    /** The last time when it had to take another port. */
    moved: portMoveSchema.nullable(),
    url: z.string().nullable(),
    pid: z.int().nullable(),
    /** Start of the current process. */
    started_at: time.nullable(),
    /** Number of unrequested exits since the daemon manages the instance. */
    restarts: z.int(),
    /**
     * Number of the current or last run. Each start by this daemon increments it. Null if this daemon has not started the
     * instance: an earlier daemon started the current process.
     */
    run: z.int().nullable(),
    /** Number of consecutive failed starts or short runs; 0 after a stable run. */
    attempt: z.int(),
    max_attempts: z.int().nullable(),
    next_attempt_at: time.nullable(),
    last_exit: lastExitSchema.nullable(),
    /** Null without a crash. */
    crashes: crashesSchema.nullable(),
    created_at: time,
    db_path: z.string(),
    pocketbase_version: z
      .string()
      .describe('The version of its process; without one, the version of its next start.'),
    pinned_version: z
      .string()
      .nullable()
      .describe('The version that an administrator chose for it; null for that of the fleet.'),
    probe: probeSchema.nullable(),
    usage: usageSchema.nullable(),
    limits: limitsSchema,
    developer: z.boolean().describe('Whether the edge lets superusers of the database through.'),
    access: z
      .enum(DATABASE_ACCESS)
      .describe('What the owner may use: `app` for records, `developer` for everything as a superuser.'),
    applications: z
      .array(z.string())
      .describe('Names of its applications, whether it has applied their migrations or not.'),
    /** Null without a process. */
    sandbox: sandboxSchema.nullable(),
    node: z
      .string()
      .nullable()
      .describe(
        'The node of a cluster that runs it; null on a single server. Lists of other nodes know less: phase, address, and what an administrator set.',
      ),
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
        moved: null,
        url: 'http://127.0.0.1:9123',
        pid: 4711,
        started_at: EXAMPLE_TIME,
        restarts: 0,
        run: 1,
        attempt: 0,
        max_attempts: 8,
        next_attempt_at: null,
        last_exit: null,
        crashes: null,
        created_at: EXAMPLE_TIME,
        db_path: `/var/lib/fathom/user_dbs/${EXAMPLE_DATABASE}/pb_data`,
        pocketbase_version: '0.39.1',
        pinned_version: null,
        probe: EXAMPLE_PROBE,
        usage: EXAMPLE_USAGE,
        limits: EXAMPLE_LIMITS,
        developer: false,
        access: 'app',
        applications: ['documents', 'shop'],
        sandbox: { level: 'full', reason: null },
        node: null,
      },
    ],
  });

export type Instance = z.infer<typeof instanceSchema>;
