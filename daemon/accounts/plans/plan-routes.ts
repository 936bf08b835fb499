import { deletePlan, listPlans, type Plan, setPlan } from '../../../shared/api/accounts/plans.ts';
import { FathomError } from '../../../shared/errors.ts';
import { DEFAULT_PLAN, type LimitName } from '../../../shared/limits.ts';
import { type Api, serve, slicePage } from '../../http/serve.ts';
import type { UserRepository } from '../user-repository.ts';
import type { Plans } from './plans.ts';

export interface PlanRoutesDeps {
  plans: Plans;
  users: UserRepository;
}

/** Registers the routes of plans. */
export function planRoutes(app: Api, { plans, users }: PlanRoutesDeps): void {
  const describe = async (name: string): Promise<Plan> => ({
    name,
    ...plans.limitsOf(name),
    own: Object.keys(plans.ownLimits(name)) as LimitName[],
    users: await users.countWithPlan(name),
  });

  serve(app, listPlans, async ({ query }) => {
    await plans.load();
    const page = slicePage(plans.names(), query);
    return { ...page, items: await Promise.all(page.items.map(describe)) };
  });

  serve(app, setPlan, async ({ params, body }) => {
    await plans.set(params.name, body);
    return describe(params.name);
  });

  serve(app, deletePlan, async ({ params: { name } }) => {
    if (!plans.has(name)) throw unknownPlan(name);
    const count = name === DEFAULT_PLAN ? 0 : await users.countWithPlan(name);
    if (count > 0) {
      const remedy = "set another plan with 'fathomd users set EMAIL --plan PLAN'";
      const holders = count === 1 ? '1 user has' : `${count} users have`;
      throw new FathomError('conflict', `${holders} the plan '${name}'; ${remedy}`);
    }
    await plans.delete(name);
  });
}

function unknownPlan(name: string): FathomError {
  return new FathomError('not_found', `there is no plan '${name}'; see 'fathomd plans list'`);
}
