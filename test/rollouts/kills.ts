import { SCRIPTED } from '../helpers/deployment.ts';
import { randomFrom } from '../helpers/random.ts';
import { until } from '../helpers/until.ts';
import type { RolloutStage } from './stage.ts';

/** More than the steps of one database. */
const MAX_STEP = 8;

/** Random steps of a rollout. Prints the seed, which `FATHOM_ROLLOUT_SEED` sets again. */
export function randomSteps(): () => number {
  const seed = Number(process.env['FATHOM_ROLLOUT_SEED'] ?? Date.now() % 1_000_000);
  console.log(`FATHOM_ROLLOUT_SEED=${seed}`);
  const random = randomFrom(seed);
  return () => 1 + Math.floor(random() * MAX_STEP);
}

/** Kills the daemon, and starts one that kills itself at a step. Returns the number of kills; the rollout can end before. */
export async function killDuringRollout(stage: RolloutStage, step: number): Promise<number> {
  const { fathom } = stage;
  stage.daemon.signal('SIGKILL');
  await stage.daemon.exited;
  const killed = fathom.launch({ TEST_KILL_AT_CHANGE: String(step) }, SCRIPTED);
  let hasEnded = false;
  void killed.exited.finally(() => {
    hasEnded = true;
  });
  await until(
    async () => {
      if (hasEnded) return true;
      const rollout = await fathom.client.rollouts.status().catch(() => null);
      return rollout?.status === 'done' && rollout.active.length === 0;
    },
    { timeoutMs: 120_000, what: () => `a kill at step ${step}:\n${killed.output()}` },
  );
  stage.daemon = hasEnded ? await fathom.start({}, SCRIPTED) : killed;
  return hasEnded ? 2 : 1;
}
