import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCRIPTED } from '../helpers/deployment.ts';
import { untilInstance } from '../helpers/fleet-actions.ts';
import { randomFrom } from '../helpers/random.ts';
import { until } from '../helpers/until.ts';
import {
  builds,
  checkWriters,
  createVersionsStage,
  DATABASES,
  installCrashing,
  NEW,
  OLD,
  type RolloutStage,
  startWriters,
  untilEnded,
} from './stage.ts';

const executables = await builds('upgrades of PocketBase with a killed daemon');
const KILLS_PER_ROLLOUT = 4;
/** More than the steps of one database. */
const MAX_STEP = 8;
const CRASHES = '0.40.7';

describe.skipIf(executables === null)('SIGKILL of the daemon during a rollout', () => {
  let stage: RolloutStage;

  beforeAll(async () => {
    stage = await createVersionsStage(executables);
  }, 600_000);

  afterAll(() => stage?.fathom.dispose(), 120_000);

  it('at any step leaves each database on one version, with every record', async () => {
    const { fathom, tenants } = stage;
    const seed = Number(process.env['FATHOM_ROLLOUT_SEED'] ?? Date.now() % 1_000_000);
    console.log(`FATHOM_ROLLOUT_SEED=${seed}`);
    const random = randomFrom(seed);
    const victim = tenants[0]?.name ?? '';
    await installCrashing(fathom, {
      version: CRASHES,
      real: executables?.[NEW] ?? '',
      database: victim,
      afterS: 2,
    });
    const writers = await startWriters(fathom, tenants.slice(0, 2));
    let kills = 0;
    for (const [version, databases] of [
      [OLD, undefined],
      [NEW, undefined],
      [CRASHES, [victim]],
    ] as const) {
      await fathom.client.rollouts.start({
        version,
        ...(databases ? { databases: [...databases] } : {}),
        canary: 0,
        max_failures: 100,
        watch_s: databases ? 8 : 1,
      });
      for (let kill = 0; kill < KILLS_PER_ROLLOUT; kill += 1)
        kills += await killDuringRollout(stage, 1 + Math.floor(random() * MAX_STEP));
      const rollout = await untilEnded(fathom);
      const failed = databases ? 1 : 0;
      expect(rollout).toMatchObject({ status: 'done', failed, changed: databases ? 0 : DATABASES });
      for (const { name } of tenants) {
        const runs = databases ? NEW : version;
        await untilInstance(
          fathom,
          name,
          ({ phase, reason, pocketbase_version }) =>
            phase === 'running' && pocketbase_version === runs && reason === null,
          `to run ${runs}`,
        );
        expect(existsSync(join(fathom.dataDir, 'user_dbs', name, 'rollout'))).toBe(false);
      }
      expect(await readdir(join(fathom.dataDir, 'rollouts', 'journals'))).toEqual([]);
    }
    console.log(`${kills} kills, ${await checkWriters(fathom, writers)} records acknowledged`);
  }, 1_800_000);
});

/** Kills the daemon, and starts one that kills itself at a step. Returns the number of kills; the rollout can end before. */
async function killDuringRollout(stage: RolloutStage, step: number): Promise<number> {
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
