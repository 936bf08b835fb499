import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDeployment, type Deployment } from '../../test/helpers/deployment.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { bareBoot } from '../bare-pocketbase.ts';
import { median, ratePerSecond, report } from '../measure.ts';

const SIGN_UPS = 60;
const CONNECTIONS = 8;
const ROUNDS = 3;
const NO_LIMIT = '100000000';
const PASSWORD = 'correct-horse-battery-9';

const NO_LIMITS = {
  RATE_LIMIT_PER_MINUTE: NO_LIMIT,
  SIGN_UPS_PER_ADDRESS: NO_LIMIT,
  SIGN_UPS_PER_ADDRESS_PER_DAY: NO_LIMIT,
  SIGN_UPS_PER_NETWORK: NO_LIMIT,
  SIGN_UPS_PER_HOUR: NO_LIMIT,
  SIGN_UPS_PER_DAY: NO_LIMIT,
};

/**
 * Sign-ups with a database of their own, which begins asleep or runs at once, against accounts without one on the bare
 * binary.
 */
export async function benchSignUps(): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const ports = { ports: SIGN_UPS * (ROUNDS + 2) };
  const asleep = await createDeployment({ ...NO_LIMITS, SLEEP_AFTER: '30' }, ports);
  const awake = await createDeployment({ ...NO_LIMITS, SLEEP_AFTER: '0' }, ports);
  const port = await freePortRange(1);
  const bare = await bareBoot(port, [`--dir=${join(scratch, 'bare')}`]);
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const registerAt =
    ({ url }: Deployment, label: string) =>
    (index: number) =>
      post(agent, `${url}/api/v1/auth/register`, {
        email: `${label}-${index}@example.com`,
        password: PASSWORD,
      });
  const createAt = (label: string) => (index: number) =>
    post(agent, `http://127.0.0.1:${port}/api/collections/users/records`, {
      email: `${label}-${index}@example.com`,
      password: PASSWORD,
      passwordConfirm: PASSWORD,
    });
  try {
    const begin = async (fathom: Deployment) => {
      await fathom.start();
      // The first ones are for the compiler, the template and the estimator of passwords.
      await ratePerSecond(CONNECTIONS * 2, CONNECTIONS, registerAt(fathom, 'warm'));
    };
    await begin(asleep);
    const rates = { asleep: [] as number[], awake: [] as number[], bare: [] as number[] };
    for (let round = 0; round < ROUNDS; round += 1) {
      const label = `round${round}`;
      rates.asleep.push(await ratePerSecond(SIGN_UPS, CONNECTIONS, registerAt(asleep, label)));
      rates.bare.push(await ratePerSecond(SIGN_UPS, CONNECTIONS, createAt(label)));
    }
    // Afterwards, because the databases that run use the processors.
    await begin(awake);
    for (let round = 0; round < ROUNDS; round += 1)
      rates.awake.push(await ratePerSecond(SIGN_UPS, CONNECTIONS, registerAt(awake, `round${round}`)));
    const [slept, ran, floor] = [median(rates.asleep), median(rates.awake), median(rates.bare)];
    return report({
      name: 'sign-ups',
      compares: `accounts per second with ${CONNECTIONS} at a time, on the bare binary / sign-ups whose database begins asleep`,
      value: floor / slept,
      // Below 1: PocketBase's API of records hashes a new password twice, and Fathom has it hashed once.
      bar: 1.25,
      unit: '',
      details:
        `medians of ${ROUNDS} per second: asleep ${slept.toFixed(1)}, bare ${floor.toFixed(1)}; ` +
        `with a database that runs at once ${ran.toFixed(1)}`,
    });
  } finally {
    agent.destroy();
    await bare.stop();
    for (const fathom of [asleep, awake]) await fathom.dispose();
    await rm(scratch, { recursive: true, force: true });
  }
}

function post(agent: Agent, url: string, body: object): Promise<void> {
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const call = request(url, { agent, method: 'POST', headers }, (response) => {
      let answer = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        answer += chunk;
      });
      response.once('end', () => {
        if ((response.statusCode ?? 500) < 300) resolve();
        else reject(new Error(`answered ${response.statusCode}: ${answer}`));
      });
    });
    call.once('error', reject);
    call.end(text);
  });
}
