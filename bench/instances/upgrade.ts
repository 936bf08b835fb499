import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createDeployment, type Deployment } from '../../test/helpers/deployment.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { until } from '../../test/helpers/until.ts';
import { upstreamBuild } from '../../test/helpers/upstream-builds.ts';
import { answers, bareBoot, untilAnswers, userInstance } from '../bare-pocketbase.ts';
import { type Database, FleetUsers } from '../fleet-user.ts';
import { median, ms, quantile, report } from '../measure.ts';

const INSTANCES = 20;
const VERSION = '0.40.6';
const LOOK_EVERY_MS = 1;
/** A rollout of one database, its watch included. */
const ROLLOUT_TIMEOUT_MS = 120_000;

/**
 * The longest time without an answer of a database while it gets another PocketBase, with its copy and its test, against a bare
 * restart of the same data: SIGTERM until the next process answers, turn by turn.
 */
export async function benchUpgrade(): Promise<boolean> {
  const executable = await upstreamBuild(VERSION, 'the benchmark of upgrades');
  if (executable === null) return true;
  const fathom = await createDeployment({}, { ports: INSTANCES * 2 });
  try {
    const directory = join(fathom.dataDir, 'pocketbase', VERSION);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await copyFile(executable, join(directory, 'pocketbase'));
    await chmod(join(directory, 'pocketbase'), 0o700);
    await fathom.start();
    const databases = await new FleetUsers(fathom).provisionMany(INSTANCES + 1);
    // The template of the version is built once, for the first database.
    const [first, ...measured] = databases as [Database, ...Database[]];
    await upgrade(fathom, first);
    const took = { upgrade: [] as number[], bare: [] as number[] };
    for (const database of measured) {
      took.bare.push(await bareRestart(fathom, database));
      took.upgrade.push(await longestSilence(database.port, () => upgrade(fathom, database)));
    }
    const counts = `of ${INSTANCES}: upgrade ${ms(median(took.upgrade))}, bare restart ${ms(median(took.bare))}`;
    const compares = 'longest time without an answer during an upgrade / a bare restart of the same data';
    const atMedian = report({
      name: 'upgrade',
      compares,
      value: median(took.upgrade) / median(took.bare),
      bar: 8,
      unit: '',
      details: `medians ${counts}`,
    });
    const [p99, bareP99] = [quantile(took.upgrade, 0.99), quantile(took.bare, 0.99)];
    const atP99 = report({
      name: 'upgrade, 99 %',
      compares,
      value: p99 / bareP99,
      bar: 12,
      unit: '',
      details: `of ${INSTANCES}: upgrade ${ms(p99)}, bare restart ${ms(bareP99)}`,
    });
    return atMedian && atP99;
  } finally {
    await fathom.dispose();
  }
}

async function upgrade(fathom: Deployment, { name }: Database): Promise<void> {
  await fathom.client.rollouts.start({ version: VERSION, databases: [name], watch_s: 0 });
  const ended = await until(
    async () => {
      const rollout = await fathom.client.rollouts.status();
      return rollout.status !== 'running' && rollout.active.length === 0 ? rollout : null;
    },
    { timeoutMs: ROLLOUT_TIMEOUT_MS, what: `the upgrade of ${name}` },
  );
  if (ended.changed !== 1) throw new Error(`${name} was not changed: ${JSON.stringify(ended.problems)}`);
}

/** The longest time between two answers during `work`. */
async function longestSilence(port: number, work: () => Promise<void>): Promise<number> {
  const over = new AbortController();
  let longest = 0;
  const watching = (async () => {
    let last = performance.now();
    while (!over.signal.aborted) {
      if (await answers(port)) {
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
      }
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_EVERY_MS);
      });
    }
  })();
  await work();
  over.abort();
  await watching;
  return longest;
}

/** Of the data of a database that Fathom has stopped. It runs again afterwards. */
async function bareRestart(fathom: Deployment, { name, port }: Database): Promise<number> {
  await fathom.client.databases.stop(name);
  const key = Buffer.from(fathom.env['PB_ENCRYPTION_KEY'] ?? '', 'base64');
  const { args, environment } = userInstance(fathom.dataDir, name, key);
  const own = await freePortRange(1);
  const running = await bareBoot(own, args, environment);
  const started = performance.now();
  await running.stop();
  const again = await bareBoot(own, args, environment);
  const took = performance.now() - started;
  await again.stop();
  await fathom.client.databases.start(name);
  await untilAnswers(port);
  return took;
}
