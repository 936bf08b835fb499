import { z } from 'zod';
import { isVersion } from '../version.ts';
import { endpoint, exampleOf, OPERATION_TIMEOUT_MS } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_TIME } from './contract/fields.ts';
import { advisorySchema, hazardSchema } from './pocketbase.ts';

const tag = {
  name: 'Rollouts',
  description: 'Changes of many databases in waves: another PocketBase, migrations, or other applications.',
};

export const ROLLOUT_KINDS = ['pocketbase', 'migrations', 'add-application', 'remove-application'] as const;
export type RolloutKind = (typeof ROLLOUT_KINDS)[number];

const MAX_DATABASES = 100_000;

/** Which databases to change, and how carefully. */
export const rolloutOptions = {
  /** All that need the change if it is absent. */
  databases: z.array(z.string().max(200)).min(1).max(MAX_DATABASES).optional(),
  /** Databases of the first wave. */
  canary: z.int().min(0).max(MAX_DATABASES).default(1),
  /** Databases of each later wave; 0 takes all in one. */
  wave: z.int().min(0).max(MAX_DATABASES).default(0),
  /** Failures after the canary that do not halt it; one in a hundred databases if it is absent. */
  max_failures: z.int().min(0).max(MAX_DATABASES).optional(),
  /** How long a changed database is watched, in seconds. */
  watch_s: z.int().min(0).max(86_400).default(60),
  /** Tests each database on a clone first, while it serves. A plan tests the first wave, at most 20. */
  rehearse: z.boolean().default(false),
  /** Also changes databases whose backup before the change fails. */
  without_backup: z.boolean().default(false),
  /** Begins paused. */
  pause: z.boolean().default(false),
};

const rolloutRequestSchema = z
  .strictObject({
    /** A version of PocketBase, like 0.40.6. It must be installed. */
    version: z.string().max(60).refine(isVersion, 'is not a version like 0.40.1'),
    /** Goes back: changes databases with a newer version, instead of those with an older one. */
    back: z.boolean().default(false),
    ...rolloutOptions,
  })
  .meta({ id: 'RolloutRequest', examples: [{ version: '0.40.6', canary: 2, wave: 20 }] });

export type RolloutRequest = z.input<typeof rolloutRequestSchema>;

/** What every plan has. */
export const planFields = {
  /** Databases that will not be changed, and why. */
  skipped: z.array(z.object({ name: z.string(), reason: z.string() })),
  /** Numbers of databases in each wave, the canary first. */
  waves: z.array(z.int()),
  max_failures: z.int(),
  /** The space that the copies of databases in progress take at most, and what is free, in bytes. */
  disk_bytes: z.number(),
  free_bytes: z.number(),
  /** Why databases are not backed up before their change; null when they are. */
  backup_skipped: z.string().nullable(),
  /** The tests on clones; null when they were not asked for. */
  rehearsed: z.array(z.object({ name: z.string(), problem: z.string().nullable() })).nullable(),
};

/** Values of `planFields` in examples. */
export const planExample = {
  skipped: [],
  waves: [1],
  max_failures: 1,
  disk_bytes: 1_048_576,
  free_bytes: 10_737_418_240,
  backup_skipped: null,
  rehearsed: null,
};

const planSchema = z
  .object({
    version: z.string(),
    /** Databases that will be changed, in their order. */
    databases: z.array(z.object({ name: z.string(), from: z.string() })),
    /** Vulnerabilities that the databases have now, and not after it. */
    closes: z.array(advisorySchema),
    /** What to know about the way to the version. */
    hazards: z.array(hazardSchema),
    ...planFields,
  })
  .meta({
    id: 'RolloutPlan',
    examples: [
      {
        version: '0.40.6',
        databases: [{ name: EXAMPLE_DATABASE, from: '0.39.1' }],
        closes: [exampleOf(advisorySchema)],
        hazards: [exampleOf(hazardSchema)],
        ...planExample,
      },
    ],
  });

/** A plan before the tests on clones. */
export type RolloutPlanView = Omit<z.infer<typeof planSchema>, 'rehearsed'>;
export type ShownRolloutPlan = z.infer<typeof planSchema>;

const failureSchema = z.object({
  name: z.string(),
  result: z.enum(['failed', 'skipped']),
  at: z.string(),
  message: z.string(),
});

export const rolloutSchema = z
  .object({
    id: z.string(),
    kind: z.enum(ROLLOUT_KINDS),
    /** The version of PocketBase, the hash of the migrations, or the name of the application. */
    target: z.string(),
    status: z.enum(['running', 'paused', 'halted', 'aborted', 'done']),
    /** Why it is halted; null while it is not. */
    reason: z.string().nullable(),
    started_at: z.string(),
    total: z.int(),
    changed: z.int(),
    failed: z.int(),
    skipped: z.int(),
    /** The current wave, from 1, and the number of waves. */
    wave: z.int(),
    waves: z.int(),
    /** Databases that are changed now. `watched`: they serve, and are watched. */
    active: z.array(z.object({ name: z.string(), watched: z.boolean() })),
    /** Databases that failed or were skipped. */
    problems: z.array(failureSchema),
    /** The longest time without an answer of a changed database, in milliseconds; null before the first. */
    longest_unanswered_ms: z.number().nullable(),
  })
  .meta({
    id: 'Rollout',
    examples: [
      {
        id: '20260115T100000-4f2a',
        kind: 'pocketbase',
        target: '0.40.6',
        status: 'running',
        reason: null,
        started_at: EXAMPLE_TIME,
        total: 100,
        changed: 12,
        failed: 0,
        skipped: 0,
        wave: 2,
        waves: 6,
        active: [{ name: EXAMPLE_DATABASE, watched: true }],
        problems: [],
        longest_unanswered_ms: 420,
      },
    ],
  });

export type Rollout = z.infer<typeof rolloutSchema>;

export const planRollout = endpoint({
  operationId: 'planRollout',
  method: 'POST',
  path: '/api/v1/rollouts/plan',
  tag,
  summary: 'Show what a rollout would do',
  description: 'Changes no database.',
  permission: 'databases.configure',
  audit: null,
  body: rolloutRequestSchema,
  responses: { 200: { description: 'The plan.', schema: planSchema } },
  errors: ['conflict', 'not_found'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const startRollout = endpoint({
  operationId: 'startRollout',
  method: 'POST',
  path: '/api/v1/rollouts',
  tag,
  summary: 'Change the PocketBase of databases in waves',
  description:
    'The response comes when the rollout has begun. It continues without the client, also after a restart.',
  permission: 'databases.configure',
  audit: 'rollout.start',
  body: rolloutRequestSchema,
  responses: { 202: { description: 'The rollout has begun.', schema: rolloutSchema } },
  errors: ['conflict', 'not_found'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const getRollout = endpoint({
  operationId: 'getRollout',
  method: 'GET',
  path: '/api/v1/rollouts/current',
  tag,
  summary: 'Show the last rollout',
  description: 'Also one that has ended.',
  permission: 'status.read',
  responses: { 200: { description: 'The last rollout, which may have ended.', schema: rolloutSchema } },
  errors: ['not_found'],
});

export const pauseRollout = endpoint({
  operationId: 'pauseRollout',
  method: 'POST',
  path: '/api/v1/rollouts/current/pause',
  tag,
  summary: 'Begin no further database until a resume',
  description: 'Databases that have begun are finished.',
  permission: 'databases.configure',
  audit: 'rollout.pause',
  responses: { 200: { description: 'The rollout.', schema: rolloutSchema } },
  errors: ['conflict', 'not_found'],
});

export const resumeRollout = endpoint({
  operationId: 'resumeRollout',
  method: 'POST',
  path: '/api/v1/rollouts/current/resume',
  tag,
  summary: 'Continue a paused or halted rollout',
  description: 'After a halt, the failures until now are accepted.',
  permission: 'databases.configure',
  audit: 'rollout.resume',
  responses: { 200: { description: 'The rollout.', schema: rolloutSchema } },
  errors: ['conflict', 'not_found'],
});

export const abortRollout = endpoint({
  operationId: 'abortRollout',
  method: 'POST',
  path: '/api/v1/rollouts/current/abort',
  tag,
  summary: 'End a rollout; changed databases stay changed',
  description: 'Databases that have begun are finished.',
  permission: 'databases.configure',
  audit: 'rollout.abort',
  responses: { 200: { description: 'The rollout.', schema: rolloutSchema } },
  errors: ['conflict', 'not_found'],
});

/** Methods of `client.rollouts`. */
export const rollouts = {
  plan: planRollout,
  start: startRollout,
  status: getRollout,
  pause: pauseRollout,
  resume: resumeRollout,
  abort: abortRollout,
};
