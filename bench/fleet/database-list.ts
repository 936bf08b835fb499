import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createDeployment } from '../../test/helpers/deployment.ts';
import { median, ratePerSecond, report } from '../measure.ts';
import { addStoppedDatabases, PORTS } from './many-databases.ts';

const DATABASES = 10_000;
const PER_PAGE = 200;
const REQUESTS = 2_000;
const CONNECTIONS = 8;
const ROUNDS = 3;
const NO_LIMIT = '100000000';

/** A page of databases, against a bare server that sends the same bytes. */
export async function benchDatabaseList(): Promise<boolean> {
  const fathom = await createDeployment({ RATE_LIMIT_PER_MINUTE: NO_LIMIT, ...PORTS }, { ports: 100 });
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const bare = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(page);
  });
  let page = '';
  try {
    const first = await fathom.start();
    const { email, password } = fathom.admin;
    const { token } = await fathom.client.auth.login({ email, password });
    await first.stop();
    addStoppedDatabases(fathom, DATABASES);
    await fathom.start();

    const url = `${fathom.url}/api/v1/databases?per_page=${PER_PAGE}`;
    const headers = { authorization: `Bearer ${token}` };
    page = await (await fetch(url, { headers })).text();
    bare.listen(0, '127.0.0.1');
    await once(bare, 'listening');
    const bareUrl = `http://127.0.0.1:${(bare.address() as AddressInfo).port}/`;

    const ours: number[] = [];
    const floor: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await ratePerSecond(REQUESTS, CONNECTIONS, () => get(agent, url, headers)));
      floor.push(await ratePerSecond(REQUESTS, CONNECTIONS, () => get(agent, bareUrl, {})));
    }
    return report({
      name: 'database list',
      compares: `pages of ${PER_PAGE} of ${DATABASES} databases per second, a bare server with the same bytes / ours`,
      value: median(floor) / median(ours),
      bar: 6,
      unit: '',
      details: `medians of ${ROUNDS}, ${CONNECTIONS} connections: ours ${Math.round(median(ours))} per second, bare ${Math.round(median(floor))}; ${page.length} bytes`,
    });
  } finally {
    agent.destroy();
    bare.close();
    await fathom.dispose();
  }
}

function get(agent: Agent, url: string, headers: Record<string, string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent, headers }, (response) => {
      response.resume();
      response.once('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    call.once('error', reject);
    call.end();
  });
}
