import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { createDeployment, type Deployment, SCRIPTED } from '../../test/helpers/deployment.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { answers, type BareInstance, bareBoot, userInstance } from '../bare-pocketbase.ts';
import { type Database, FleetUsers } from '../fleet-user.ts';
import { median, ms, quantile, report } from '../measure.ts';

const DATABASES = 100;
/** Of these, the bare boots use the directories. */
const BARE = 25;
const WAKES_PER_SECOND = 20;
const ROUNDS = 2;
const LOOK_EVERY_MS = 100;

/** A request to a sleeping database until its answer, against a bare boot of the same directory. */
export async function benchWake(): Promise<boolean> {
  const fathom = await createDeployment({ TEST_SLEEP_AFTER_MS: '1000' }, { ports: DATABASES * 2 });
  try {
    await fathom.start({}, SCRIPTED);
    const databases = await new FleetUsers(fathom).provisionMany(DATABASES);
    const bare = databases.slice(0, BARE);
    const ours = databases.slice(BARE);
    for (const { name } of bare) await fathom.client.databases.stop(name);
    const boots = new BareBoots(fathom, bare, await freePortRange(1));
    // The first wake after a start of the daemon also checks settings and migrations.
    for (const database of ours) await wake(database);
    await untilAsleep(fathom, ours);

    const took = { lone: [] as number[], bare: [] as number[], busy: [] as number[] };
    for (let index = 0; index < BARE; index += 1) {
      took.bare.push(await boots.next());
      took.lone.push(await wake(ours[index] as Database));
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      await untilAsleep(fathom, ours);
      took.busy.push(...(await wakeAtRate(ours)));
    }
    const lone = report({
      name: 'wake',
      compares: 'a request to a sleeping database until its answer / bare boot of the same directory',
      value: median(took.lone) / median(took.bare),
      bar: 1.2,
      unit: '',
      details: `medians of ${BARE}: ours ${ms(median(took.lone))}, bare ${ms(median(took.bare))}; p90 ${ms(quantile(took.lone, 0.9))} and ${ms(quantile(took.bare, 0.9))}`,
    });
    const busy = report({
      name: `wake, ${WAKES_PER_SECOND} per second`,
      compares: 'p99 of requests to sleeping databases / median of a bare boot of the same directory',
      value: quantile(took.busy, 0.99) / median(took.bare),
      bar: 2,
      unit: '',
      details: `p99 of ${took.busy.length}: ${ms(quantile(took.busy, 0.99))}, median ${ms(median(took.busy))}`,
    });
    return lone && busy;
  } finally {
    await fathom.dispose();
  }
}

/** Boots stopped databases by hand, one after the other. */
class BareBoots {
  readonly #fathom: Deployment;
  readonly #databases: readonly Database[];
  readonly #port: number;
  #count = 0;

  constructor(fathom: Deployment, databases: readonly Database[], port: number) {
    this.#fathom = fathom;
    this.#databases = databases;
    this.#port = port;
  }

  async next(): Promise<number> {
    const database = this.#databases[this.#count % this.#databases.length] as Database;
    this.#count += 1;
    const boot = await bootByHand(this.#fathom, database, this.#port);
    await boot.stop();
    return boot.tookMs;
  }
}

function bootByHand(fathom: Deployment, { name }: Database, port: number): Promise<BareInstance> {
  const key = Buffer.from(fathom.env['PB_ENCRYPTION_KEY'] ?? '', 'base64');
  const { args, environment } = userInstance(fathom.dataDir, name, key);
  return bareBoot(port, args, environment);
}

async function wake({ port }: Database): Promise<number> {
  const started = performance.now();
  if (!(await answers(port))) throw new Error('a sleeping database was not reached');
  return performance.now() - started;
}

async function wakeAtRate(databases: readonly Database[]): Promise<number[]> {
  const wakes: Promise<number>[] = [];
  for (const database of databases) {
    wakes.push(wake(database));
    await new Promise((resolve) => setTimeout(resolve, 1000 / WAKES_PER_SECOND));
  }
  return Promise.all(wakes);
}

async function untilAsleep(fathom: Deployment, databases: readonly Database[]): Promise<void> {
  const names = new Set(databases.map(({ name }) => name));
  for (;;) {
    const all = await fathom.client.databases.all();
    if (all.every(({ name, phase }) => !names.has(name) || phase === 'asleep')) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

const REQUESTS = 1_000;
const AWAKE_ROUNDS = 15;

/** Requests to an awake database, against the same binary started by hand. */
export async function benchAwake(): Promise<boolean> {
  const fathom = await createDeployment({ RATE_LIMIT_PER_MINUTE: '100000000' });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    await fathom.start();
    const [ours, other] = (await new FleetUsers(fathom).provisionMany(2)) as [Database, Database];
    await fathom.client.databases.stop(other.name);
    const port = await freePortRange(1);
    const bare = await bootByHand(fathom, other, port);
    try {
      const took = { ours: [] as number[], bare: [] as number[] };
      // The first round is for the compiler and the caches.
      for (let round = 0; round <= AWAKE_ROUNDS; round += 1) {
        const times = [await requestTimes(agent, ours.port), await requestTimes(agent, port)] as const;
        if (round === 0) continue;
        took.ours.push(median(times[0]));
        took.bare.push(median(times[1]));
      }
      return report({
        name: 'request to an awake database',
        compares: 'a request on an open connection / the same to a PocketBase that was started by hand',
        value: median(took.ours.map((value, round) => value / (took.bare[round] ?? Number.NaN))),
        bar: 1.02,
        unit: '',
        details: `medians of ${AWAKE_ROUNDS} rounds with ${REQUESTS} requests: ours ${median(took.ours).toFixed(3)} ms, bare ${median(took.bare).toFixed(3)} ms`,
      });
    } finally {
      await bare.stop();
    }
  } finally {
    agent.destroy();
    await fathom.dispose();
  }
}

async function requestTimes(agent: Agent, port: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < REQUESTS; index += 1) {
    const started = performance.now();
    const [response] = (await once(
      request({ host: '127.0.0.1', port, path: '/api/health', agent }).end(),
      'response',
    )) as [IncomingMessage];
    await once(response.resume(), 'end');
    times.push(performance.now() - started);
  }
  return times;
}
