import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { untilInstance } from '../helpers/fleet-actions.ts';
import { killDuringRollout, randomSteps } from './kills.ts';
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
const CRASHES = '0.40.7';

describe.skipIf(executables === null)('SIGKILL of the daemon during a rollout', () => {
  let stage: RolloutStage;

  beforeAll(async () => {
    stage = await createVersionsStage(executables);
  }, 600_000);

  afterAll(() => stage?.fathom.dispose(), 120_000);

  it('at any step leaves each database on one version, with every record', async () => {
    const { fathom, tenants } = stage;
    const nextStep = randomSteps();
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
        kills += await killDuringRollout(stage, nextStep());
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
