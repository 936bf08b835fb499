import type { z } from 'zod';
import {
  abortRollout,
  getRollout,
  pauseRollout,
  planRollout,
  resumeRollout,
  type rolloutRequestSchema,
  startRollout,
} from '../../shared/api/rollouts.ts';
import type { Catalog } from '../databases/catalog.ts';
import { type Api, serve } from '../http/serve.ts';
import type { Binaries } from '../pocketbase/binary/binaries.ts';
import { planUpgrade } from './pocketbase-rollout.ts';
import type { Rollouts } from './rollouts.ts';

export interface RolloutRoutesDeps {
  catalog: Catalog;
  binaries: Binaries;
  rollouts: Rollouts;
}

/** Registers the routes of rollouts. */
export function rolloutRoutes(app: Api, deps: RolloutRoutesDeps): void {
  const { rollouts } = deps;
  const plan = (body: z.output<typeof rolloutRequestSchema>) => planUpgrade(body, deps);

  serve(app, planRollout, async ({ body }) => (await plan(body)).view);
  serve(app, startRollout, async ({ body }) =>
    rollouts.start((await plan(body)).plan, body.pause ? 'paused' : 'running'),
  );
  serve(app, getRollout, () => rollouts.status());
  serve(app, pauseRollout, () => rollouts.pause());
  serve(app, resumeRollout, () => rollouts.resume());
  serve(app, abortRollout, () => rollouts.abort());
}
