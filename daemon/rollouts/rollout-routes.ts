import { addApplication, planApplication, removeApplication } from '../../shared/api/applications.ts';
import { applyMigrations, planMigrations } from '../../shared/api/migrations.ts';
import {
  abortRollout,
  getRollout,
  pauseRollout,
  planRollout,
  resumeRollout,
  startRollout,
} from '../../shared/api/rollouts.ts';
import { type Api, serve } from '../http/serve.ts';
import type { Planned } from './rollout-plan.ts';
import type { RolloutPlanner } from './rollout-services.ts';
import type { Rollouts } from './rollouts.ts';

export interface RolloutRoutesDeps {
  rollouts: Rollouts;
  rolloutPlanner: RolloutPlanner;
}

/** Registers the routes of rollouts. */
export function rolloutRoutes(app: Api, deps: RolloutRoutesDeps): void {
  const { rollouts, rolloutPlanner: planner } = deps;
  const show = async <V>({ plan, view }: Planned<V>) => ({
    ...view,
    rehearsed: plan.rehearse ? await rollouts.rehearse(plan) : null,
  });
  const begin = ({ plan }: Planned<unknown>, { pause }: { pause: boolean }) =>
    rollouts.start(plan, pause ? 'paused' : 'running');

  serve(app, planRollout, async ({ body }) => show(await planner.planUpgrade(body)));
  serve(app, startRollout, async ({ body }) => begin(await planner.planUpgrade(body), body));
  serve(app, planMigrations, async ({ body }) => show(await planner.planMigrations(body)));
  serve(app, applyMigrations, async ({ body }) => begin(await planner.planMigrations(body), body));
  serve(app, planApplication, async ({ params: { name }, body: { action, ...request } }) =>
    show(await planner.planApplication({ ...request, name, kind: `${action}-application` })),
  );
  for (const [endpoint, kind] of [
    [addApplication, 'add-application'],
    [removeApplication, 'remove-application'],
  ] as const)
    serve(app, endpoint, async ({ params: { name }, body }) =>
      begin(await planner.planApplication({ ...body, name, kind }), body),
    );
  serve(app, getRollout, () => rollouts.status());
  serve(app, pauseRollout, () => rollouts.pause());
  serve(app, resumeRollout, () => rollouts.resume());
  serve(app, abortRollout, () => rollouts.abort());
}
