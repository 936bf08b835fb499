import { z } from 'zod';
import { LIMIT_NAMES, LIMITS, type LimitName, MAX_LIMIT } from '../../limits.ts';
import { endpoint, noContent } from '../contract/endpoint.ts';
import { sleepAfter } from '../contract/fields.ts';
import { pageOf, wholePageQuerySchema } from '../contract/page.ts';

const tag = { name: 'Plans', description: 'Limits for users and their databases.' };

export const planName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,39}$/,
    'is not the name of a plan: small letters, digits and hyphens, at most 40',
  )
  .meta({ description: 'Name of a plan.', examples: ['free'] });
const params = z.object({ name: planName });

type NullableLimit = Exclude<LimitName, 'sleep_after'>;

const limitShape = {
  ...(Object.fromEntries(
    LIMIT_NAMES.map((name) => [
      name,
      z
        .int()
        .min(LIMITS[name].min)
        .max(MAX_LIMIT)
        .nullable()
        .meta({ description: `${LIMITS[name].about}; null is no limit ('none' in commands).` }),
    ]),
  ) as Record<NullableLimit, z.ZodNullable<z.ZodInt>>),
  sleep_after: sleepAfter.meta({
    description: `${LIMITS.sleep_after.about}, at least ${LIMITS.sleep_after.min}; 0 is never ('never' in commands).`,
    'x-words': { never: 0 },
  }),
};

const EXAMPLE_PLAN = {
  name: 'free',
  memory_mb: 256,
  disk_mb: 500,
  api_keys: 10,
  sessions: 100,
  streams: 20,
  restarts_per_hour: 60,
  backups_per_day: 10,
  own_backups: 3,
  exports_per_day: 10,
  tasks: 1000,
  sleep_after: 30,
  own: ['memory_mb', 'disk_mb', 'api_keys'] as LimitName[],
  users: 12,
};

const planSchema = z
  .object({
    name: z.string(),
    ...limitShape,
    own: z.array(z.enum(LIMIT_NAMES)).meta({
      description: 'The limits that the plan sets. The others are those of the settings.',
    }),
    users: z.int().meta({ description: 'Number of users with this plan.' }),
  })
  .meta({ id: 'Plan', examples: [EXAMPLE_PLAN] });

export type Plan = z.infer<typeof planSchema>;

export const listPlans = endpoint({
  operationId: 'listPlans',
  method: 'GET',
  path: '/api/v1/plans',
  tag,
  summary: 'List plans',
  description: 'With the limits that apply to their users. The plan `default` always exists.',
  permission: 'plans.read',
  command: 'plans list',
  query: wholePageQuerySchema,
  responses: { 200: { description: 'One page of plans.', schema: pageOf(planSchema) } },
});

export const setPlan = endpoint({
  operationId: 'setPlan',
  method: 'PATCH',
  path: '/api/v1/plans/{name}',
  tag,
  summary: 'Add a plan, or change its limits',
  description: 'Limits that are not given stay as they are. Applies to the users of the plan at once.',
  permission: 'plans.write',
  audit: 'plan.set',
  command: 'plans set',
  params,
  body: z
    .strictObject(limitShape)
    .partial()
    .meta({ id: 'PlanChange', examples: [{ memory_mb: 256, disk_mb: 500, api_keys: 10 }] }),
  responses: { 200: { description: 'The plan after the change.', schema: planSchema } },
});

export const deletePlan = endpoint({
  operationId: 'deletePlan',
  method: 'DELETE',
  path: '/api/v1/plans/{name}',
  tag,
  summary: 'Delete a plan that no user has',
  description: 'The plan `default` gets the limits of the settings again.',
  permission: 'plans.write',
  audit: 'plan.delete',
  command: 'plans delete',
  params,
  responses: noContent('The plan is deleted.'),
  errors: ['not_found', 'conflict'],
});

/** Methods of `client.plans`. */
export const plans = {
  list: listPlans,
  set: setPlan,
  delete: deletePlan,
};
