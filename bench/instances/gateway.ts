import { Agent, request } from 'node:http';
import { createDeployment } from '../../test/helpers/deployment.ts';
import { signUp } from '../../test/helpers/http-call.ts';
import { median, ms, quantile, report } from '../measure.ts';

const NO_LIMIT = '100000000';
const PATH = '/api/v1/work-items';
const ROUNDS = 300;
const WARM_UP = 50;
const ITEMS = 50;

interface Endpoint {
  url: string;
  token: string;
}

/** Requests by the API, against the same at the database itself: one connection, turn by turn. */
export async function benchGateway(): Promise<boolean> {
  const fathom = await createDeployment({
    FATHOM_APPS: 'documents,work-items',
    RATE_LIMIT_PER_MINUTE: NO_LIMIT,
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    await fathom.start();
    const { token, database } = await signUp(fathom.url, 'ann@example.com');
    const api = { url: fathom.url, token };
    const direct = { url: database.url, token: database.token };
    const send = (to: Endpoint, method: string, path: string, body?: object) =>
      timed(agent, to, method, path, body);
    const project = await send(api, 'POST', PATH, { item_type: 'project', title: 'project' });
    const { id } = JSON.parse(project.text) as { id: string };
    const task = { item_type: 'task', title: 'task', description: 'A task.'.repeat(20), project_id: id };
    const { id: shown } = JSON.parse((await send(api, 'POST', PATH, task)).text) as { id: string };
    const list = `${PATH}?project_id=${id}&per_page=${ITEMS}`;
    let met = true;
    for (const [name, method, path, body] of [
      ['create an item', 'POST', PATH, task],
      ['show an item', 'GET', `${PATH}/${shown}`],
      [`list ${ITEMS} items`, 'GET', list],
    ] as const) {
      const took = { api: [] as number[], direct: [] as number[] };
      for (let round = -WARM_UP; round < ROUNDS; round += 1) {
        // The first of a pair alternates.
        const pair = round % 2 === 0 ? (['api', 'direct'] as const) : (['direct', 'api'] as const);
        for (const way of pair) {
          const answer = await send(way === 'api' ? api : direct, method, path, body);
          if (round >= 0) took[way].push(answer.tookMs);
        }
      }
      met =
        report({
          name: `gateway, ${name}`,
          compares: 'a request by the API / the same at the database',
          value: median(took.api) / median(took.direct),
          bar: 1.3,
          unit: '',
          details: `medians of ${ROUNDS}: ${ms(median(took.api))} and ${ms(median(took.direct))}; p90 ${ms(quantile(took.api, 0.9))} and ${ms(quantile(took.direct, 0.9))}`,
        }) && met;
    }
    return met;
  } finally {
    agent.destroy();
    await fathom.dispose();
  }
}

function timed(
  agent: Agent,
  { url, token }: Endpoint,
  method: string,
  path: string,
  body?: object,
): Promise<{ tookMs: number; text: string }> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const call = request(`${url}${path}`, { agent, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => {
        const tookMs = performance.now() - started;
        if ((response.statusCode ?? 0) < 300) resolve({ tookMs, text });
        else reject(new Error(`${method} ${path} answered ${response.statusCode}: ${text}`));
      });
    });
    call.once('error', reject);
    call.end(body && JSON.stringify(body));
  });
}
