import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createDeployment, type Deployment } from '../../test/helpers/deployment.ts';
import { call, type Session, signUp } from '../../test/helpers/http-call.ts';
import { median, ms, quantile, report } from '../measure.ts';

const NEIGHBOURS = 50;
/** Each neighbour reads its own database once per turn. */
const TURN_MS = 250;
const WINDOW_MS = 20_000;
const ROUNDS = 3;
const HOG_MEMORY_MB = 128;
const HOG_RECORDS = 4_000;
const HOG = join(import.meta.dirname, 'neighbours-hog.mjs');
const NO_LIMIT = '1000000';

/**
 * What 50 neighbours notice of one database that is at its limits of memory, processor, disk and requests: their response
 * times with it, without it, and beside loops that have nothing to do with it and run only on idle processors, turn by turn.
 */
export async function benchNeighbours(): Promise<boolean> {
  const fathom = await createDeployment(
    { RATE_LIMIT_PER_MINUTE: NO_LIMIT, CONNECTIONS_PER_ADDRESS: NO_LIMIT },
    { ports: NEIGHBOURS * 2 },
  );
  try {
    await fathom.start();
    const hog = await signUp(fathom.url, 'hog@example.com');
    const neighbours: Session[] = [];
    for (let index = 0; index < NEIGHBOURS; index += 1) {
      neighbours.push(await signUp(fathom.url, `neighbour${index}@example.com`));
    }
    await fillDatabase(fathom, hog);
    const quiet: number[] = [];
    const loud: number[] = [];
    const floor: number[] = [];
    let ended = 0;
    // The first turn is for the compiler and the caches.
    await measure(neighbours, 5_000);
    for (let round = 0; round < ROUNDS; round += 1) {
      quiet.push(...(await measure(neighbours, WINDOW_MS)));
      {
        await using _ = occupyProcessors();
        floor.push(...(await measure(neighbours, WINDOW_MS)));
      }
      await using attack = await startHog(fathom, hog);
      loud.push(...(await measure(neighbours, WINDOW_MS)));
      ended += await attack.ended();
    }
    const { cgroup } = await fathom.client.daemon.status();
    const p99 = { quiet: quantile(quiet, 0.99), loud: quantile(loud, 0.99), floor: quantile(floor, 0.99) };
    const againstFloor = report({
      name: 'noisy neighbour, busy processors',
      compares: `p99 of ${NEIGHBOURS} databases beside one at its limits / beside loops on idle processors`,
      value: p99.loud / p99.floor,
      bar: 1.2,
      unit: '',
      details: `p99 ${ms(p99.loud)} and ${ms(p99.floor)}, medians ${ms(median(loud))} and ${ms(median(floor))}`,
    });
    const againstQuiet = report({
      name: 'noisy neighbour',
      compares: `p99 of ${NEIGHBOURS} databases beside one at its limits / without it; cgroups: ${cgroup.controllers.join(', ') || 'none'}`,
      value: p99.loud / p99.quiet,
      bar: 1.2,
      unit: '',
      details: `p99 ${ms(p99.loud)} and ${ms(p99.quiet)}, medians ${ms(median(loud))} and ${ms(median(quiet))}, ${loud.length} and ${quiet.length} requests; the hog was ended ${ended} times`,
    });
    return againstFloor && againstQuiet;
  } finally {
    await fathom.dispose();
  }
}

const documents = ({ database }: Session) => `${database.url}/api/collections/documents/records`;

/** Records that are expensive to search, and a limit of memory. */
async function fillDatabase(fathom: Deployment, hog: Session): Promise<void> {
  const headers = { authorization: hog.database.token };
  let left = HOG_RECORDS;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const body = { title: `record ${left}`, data: { text: 'x'.repeat(2_000) } };
      const { status } = await call('POST', documents(hog), { body, headers });
      if (status !== 200) throw new Error(`a record was answered with ${status}`);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  await fathom.client.databases.update(hog.database.name, { memory_mb: HOG_MEMORY_MB });
}

/** The clients of the hog, in another process. */
async function startHog(fathom: Deployment, { database }: Session) {
  const url = `${database.url}/api/collections/documents/records`;
  const client = runWhenIdle([process.execPath, HOG, url, database.token]);
  const restarts = async () => (await fathom.client.databases.get(database.name)).restarts;
  const before = await restarts();
  return {
    ended: async () => (await restarts()) - before,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await fathom.client.databases.start(database.name);
    },
  };
}

/** Runs a program only while a processor has nothing else to do. The clients of a real database run on other hosts. */
function runWhenIdle(command: readonly string[]): AsyncDisposable {
  const child = spawn('chrt', ['--idle', '0', ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
  return {
    [Symbol.asyncDispose]: async () => {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

/** What any other work on this host costs its neighbours: each processor has something to do, and is never waited for. */
function occupyProcessors(): AsyncDisposable {
  const loops = Array.from({ length: availableParallelism() }, () =>
    runWhenIdle([process.execPath, '--eval', 'for (;;);']),
  );
  return {
    [Symbol.asyncDispose]: async () => {
      await Promise.all(loops.map((loop) => loop[Symbol.asyncDispose]()));
    },
  };
}

/** Response times in milliseconds. The neighbours begin one after the other, so that their requests do not wait for each other. */
async function measure(neighbours: readonly Session[], windowMs: number): Promise<number[]> {
  const times: number[] = [];
  const agent = new Agent({ keepAlive: true });
  const end = performance.now() + windowMs;
  const read = async (neighbour: Session, index: number) => {
    let next = performance.now() + (index / neighbours.length) * TURN_MS;
    while (next < end) {
      await pause(next - performance.now());
      times.push(await timed(agent, neighbour));
      next += TURN_MS;
    }
  };
  try {
    await Promise.all(neighbours.map(read));
  } finally {
    agent.destroy();
  }
  return times;
}

function timed(agent: Agent, neighbour: Session): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { authorization: neighbour.database.token };
    const sent = request(`${documents(neighbour)}?perPage=20`, { agent, headers }, (response) => {
      response.resume();
      response.once('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - began);
        else reject(new Error(`a neighbour got ${response.statusCode}`));
      });
    });
    sent.once('error', reject);
    sent.end();
  });
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, durationMs)));
}
