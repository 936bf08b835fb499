import { randomInt } from 'node:crypto';
import { Agent, request } from 'node:http';
import { expect, it } from 'vitest';
import { type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { signUpMany, type Tenant } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { randomFrom } from '../helpers/random.ts';
import { Realtime } from '../helpers/realtime.ts';
import { until } from '../helpers/until.ts';

/** `SLEEP_CYCLES=20000` is the complete test. */
const CYCLES = Number(process.env['SLEEP_CYCLES'] ?? 150);
const DATABASES = 12;
const LANES = 6;
const MAX_PAUSE_MS = 250;
const MAX_TEXT_BYTES = 30_000;
const TIMEOUT_MS = 60_000 + CYCLES * 500;
const NO_LIMIT = '100000000';

interface Target {
  tenant: Tenant;
  port: number;
  agent: Agent;
  /** Titles of acknowledged records. */
  written: Set<string>;
}

/** One request, on a new connection or on one that was used before. */
function send(
  { tenant, port, agent }: Target,
  { method, path, body, reuse }: { method: string; path: string; body?: object; reuse: boolean },
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: tenant.ownerToken, 'content-type': 'application/json' };
    const call = request(
      { host: '127.0.0.1', port, path, method, headers, agent: reuse ? agent : false },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.once('error', reject);
      },
    );
    call.once('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const RECORDS = '/api/collections/documents/records';

async function titlesOf(target: Target): Promise<Set<string>> {
  const titles = new Set<string>();
  for (let page = 1; ; page += 1) {
    const path = `${RECORDS}?perPage=500&page=${page}&fields=title&skipTotal=1`;
    const { status, text } = await send(target, { method: 'GET', path, reuse: false });
    if (status !== 200) throw new Error(`a list was answered with ${status}: ${text}`);
    const { items } = JSON.parse(text) as { items: { title: string }[] };
    for (const { title } of items) titles.add(title);
    if (items.length < 500) return titles;
  }
}

/** The number of times that a process was started, for all databases together. */
async function starts(fathom: Deployment): Promise<number> {
  const all = await fathom.client.databases.all();
  return all.reduce((sum, { run }) => sum + (run ?? 0), 0);
}

async function doubles(fathom: Deployment): Promise<string[]> {
  const names = (await fleetProcesses(fathom.dataDir)).map(({ instance }) => instance);
  return names.filter((name, index) => names.indexOf(name) !== index);
}

it(
  'databases that sleep and wake under random requests lose nothing and fail no request',
  async () => {
    const seed = Number(process.env['FATHOM_TEST_SEED'] ?? randomInt(2 ** 31));
    console.log(`${CYCLES} cycles with FATHOM_TEST_SEED=${seed}`);
    const fathom = await deployment({
      TEST_SLEEP_AFTER_MS: '60',
      RATE_LIMIT_PER_MINUTE: NO_LIMIT,
      CONNECTIONS_PER_ADDRESS: NO_LIMIT,
    });
    await fathom.start({}, SCRIPTED);
    const tenants = await signUpMany(fathom, DATABASES);
    const ports = new Map((await fathom.client.databases.all()).map(({ name, port }) => [name, port]));
    const targets = tenants.map(
      (tenant): Target => ({
        tenant,
        port: ports.get(tenant.name) as number,
        // A client that keeps a connection for a moment.
        agent: new Agent({ keepAlive: true, timeout: 40 }),
        written: new Set(),
      }),
    );

    const problems: string[] = [];
    const over = new AbortController();
    const lane = async (number: number) => {
      const random = randomFrom(seed + number);
      for (let turn = 0; !over.signal.aborted; turn += 1) {
        const target = targets[Math.floor(random() * targets.length)] as Target;
        const reuse = random() < 0.3;
        const title = `${number}-${turn}`;
        const isWrite = random() < 0.6;
        const body = { title, data: { text: 'x'.repeat(random() * MAX_TEXT_BYTES) } };
        try {
          const { status, text } = isWrite
            ? await send(target, { method: 'POST', path: RECORDS, body, reuse })
            : await send(target, { method: 'GET', path: `${RECORDS}?perPage=5`, reuse });
          if (status !== 200) problems.push(`${status} of ${target.tenant.name}: ${text}`);
          else if (isWrite) target.written.add(title);
        } catch (error) {
          problems.push(`${target.tenant.name}: ${String(error)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, random() * MAX_PAUSE_MS));
      }
    };
    const lanes = Array.from({ length: LANES }, (_, number) => lane(number));
    await until(
      async () => {
        problems.push(...(await doubles(fathom)).map((name) => `two processes of ${name}`));
        return problems.length > 0 || (await starts(fathom)) >= CYCLES;
      },
      { what: `${CYCLES} starts`, timeoutMs: TIMEOUT_MS },
    );
    over.abort();
    await Promise.all(lanes);
    for (const { agent } of targets) agent.destroy();

    expect(problems).toEqual([]);
    for (const target of targets) {
      const kept = await titlesOf(target);
      expect([...target.written].filter((title) => !kept.has(title))).toEqual([]);
    }
    console.log(
      `${await starts(fathom)} starts, ${targets.reduce((sum, { written }) => sum + written.size, 0)} writes`,
    );
  },
  TIMEOUT_MS * 2,
);

it('a realtime connection keeps its database awake, and gets its events', async () => {
  const fathom = await deployment({ TEST_SLEEP_AFTER_MS: '200', PB_HEALTH_INTERVAL: '1' });
  await fathom.start({}, SCRIPTED);
  const [watched, quiet] = await signUpMany(fathom, 2);
  const databases = new Map((await fathom.client.databases.all()).map((one) => [one.name, one]));
  const { port, url } = databases.get(watched?.name ?? '') ?? {};
  const realtime = new Realtime(url ?? '');
  await realtime.connect();
  await realtime.subscribe('documents/*', watched?.ownerToken ?? '');
  await until(async () => (await fathom.client.databases.get(quiet?.name ?? '')).phase === 'asleep', {
    what: 'the other one to sleep',
  });
  const target = {
    tenant: watched as Tenant,
    port: port as number,
    agent: new Agent(),
    written: new Set<string>(),
  };
  await send(target, { method: 'POST', path: RECORDS, body: { title: 'event' }, reuse: false });
  await until(() => realtime.titles.includes('event'), { what: 'the event' });
  realtime.close();
  await until(async () => (await fathom.client.databases.get(watched?.name ?? '')).phase === 'asleep', {
    what: 'it to sleep without the connection',
  });
});
