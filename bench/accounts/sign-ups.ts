import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDeployment } from '../../test/helpers/deployment.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { bareBoot } from '../bare-pocketbase.ts';
import { median, ratePerSecond, report } from '../measure.ts';

const SIGN_UPS = 60;
const CONNECTIONS = 8;
const ROUNDS = 3;
const NO_LIMIT = '100000000';
const PASSWORD = 'correct-horse-battery-9';

/** Sign-ups with a running database of their own, against accounts without one on the bare binary. */
export async function benchSignUps(): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const fathom = await createDeployment(
    {
      RATE_LIMIT_PER_MINUTE: NO_LIMIT,
      SIGN_UPS_PER_ADDRESS: NO_LIMIT,
      SIGN_UPS_PER_ADDRESS_PER_DAY: NO_LIMIT,
      SIGN_UPS_PER_NETWORK: NO_LIMIT,
      SIGN_UPS_PER_HOUR: NO_LIMIT,
      SIGN_UPS_PER_DAY: NO_LIMIT,
    },
    { ports: SIGN_UPS * (ROUNDS + 2) },
  );
  const port = await freePortRange(1);
  const bare = await bareBoot(port, [`--dir=${join(scratch, 'bare')}`]);
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  try {
    await fathom.start();
    const register = (email: string) =>
      post(agent, `${fathom.url}/api/v1/auth/register`, { email, password: PASSWORD });
    const create = (email: string) =>
      post(agent, `http://127.0.0.1:${port}/api/collections/users/records`, {
        email,
        password: PASSWORD,
        passwordConfirm: PASSWORD,
      });
    // The first ones are for the compiler, the template and the estimator of passwords.
    await ratePerSecond(CONNECTIONS * 2, CONNECTIONS, (index) => register(`warm${index}@example.com`));
    const ours: number[] = [];
    const floor: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(
        await ratePerSecond(SIGN_UPS, CONNECTIONS, (index) => register(`ours${round}-${index}@example.com`)),
      );
      floor.push(
        await ratePerSecond(SIGN_UPS, CONNECTIONS, (index) => create(`bare${round}-${index}@example.com`)),
      );
    }
    return report({
      name: 'sign-ups',
      compares: `accounts per second with ${CONNECTIONS} at a time, on the bare binary / sign-ups with a database`,
      value: median(floor) / median(ours),
      // Missed today, by more than half: each sign-up also starts a process.
      bar: 1.25,
      unit: '',
      details: `medians of ${ROUNDS}: ours ${median(ours).toFixed(1)} per second, bare ${median(floor).toFixed(1)}`,
    });
  } finally {
    agent.destroy();
    await bare.stop();
    await fathom.dispose();
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
