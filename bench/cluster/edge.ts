import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haproxySite, holdScript } from '../../daemon/host/install/edge/haproxy-site.ts';
import { createDeployment } from '../../test/helpers/deployment.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { type Database, FleetUsers } from '../fleet-user.ts';
import { median, ms, quantile, ratePerSecond, report } from '../measure.ts';

const HOST = 'name.db.fathom.test';
const PATH = '/api/health';
const REQUESTS = 500;
const ROUNDS = 10;
const CONNECTIONS = 32;
const MANY = 4_000;
const STREAMS = 30;

interface Way {
  url: string;
  agent: Agent | HttpsAgent;
}

/** Requests to a database by HAProxy with the configuration of `fathomd edge haproxy`, against the same without it. */
export async function benchEdge(): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-bench-edge-'));
  const fathom = await createDeployment({ RATE_LIMIT_PER_MINUTE: '100000000' });
  const agents: Way['agent'][] = [];
  let haproxy: ChildProcess | null = null;
  try {
    await fathom.start();
    const [{ port }] = (await new FleetUsers(fathom).provisionMany(1)) as [Database];
    const ports = await startOfPorts();
    haproxy = await startHaproxy(directory, port, ports);
    const way = (url: string, connections: number): Way => {
      const options = { keepAlive: true, maxSockets: connections, rejectUnauthorized: false };
      const agent = url.startsWith('https:') ? new HttpsAgent(options) : new Agent(options);
      agents.push(agent);
      return { url, agent };
    };
    const urls = {
      direct: `http://127.0.0.1:${port}`,
      edge: `http://127.0.0.1:${ports.http}`,
      encrypted: `https://127.0.0.1:${ports.https}`,
    };
    let met = true;
    for (const [name, url, bar] of [
      ['without TLS', urls.edge, 2.2],
      ['with TLS', urls.encrypted, 3],
    ] as const) {
      const took = await compareTimes(way(urls.direct, 1), way(url, 1));
      met =
        report({
          name: `edge, a request ${name}`,
          compares: 'a request on an open connection by HAProxy / the same at the database',
          value: median(took.edge.map((value, round) => value / (took.direct[round] ?? Number.NaN))),
          bar,
          unit: '',
          details: `medians of ${ROUNDS} rounds with ${REQUESTS} requests: ${median(took.edge).toFixed(3)} ms and ${median(took.direct).toFixed(3)} ms`,
        }) && met;
    }
    const rates = await compareRates(way(urls.direct, CONNECTIONS), way(urls.edge, CONNECTIONS));
    met =
      report({
        name: `edge, ${CONNECTIONS} connections`,
        compares: 'requests per second at the database / by HAProxy on the same processors',
        value: median(rates.direct) / median(rates.edge),
        bar: 2.5,
        unit: '',
        details: `medians of ${ROUNDS}: ${Math.round(median(rates.direct))} and ${Math.round(median(rates.edge))} per second`,
      }) && met;
    const streams = await compareStreams(urls.direct, urls.edge);
    return (
      report({
        name: 'edge, first event',
        compares: 'the first event of a realtime connection by HAProxy, after the same at the database',
        value: median(streams.edge) - median(streams.direct),
        bar: 20,
        unit: ' ms',
        details: `medians of ${STREAMS}: ${ms(median(streams.edge))} and ${ms(median(streams.direct))}; p90 ${ms(quantile(streams.edge, 0.9))} and ${ms(quantile(streams.direct, 0.9))}`,
      }) && met
    );
  } finally {
    for (const agent of agents) agent.destroy();
    if (haproxy !== null && haproxy.exitCode === null) {
      const ended = once(haproxy, 'exit');
      haproxy.kill('SIGKILL');
      await ended;
    }
    await rm(directory, { recursive: true, force: true });
    await fathom.dispose();
  }
}

async function startOfPorts(): Promise<{ http: number; https: number }> {
  const http = await freePortRange(2);
  return { http, https: http + 1 };
}

/** With a route as `fathomd edge run` writes it. */
async function startHaproxy(
  directory: string,
  port: number,
  ports: { http: number; https: number },
): Promise<ChildProcess> {
  const file = (name: string) => join(directory, name);
  const subject = ['-subj', `/CN=${HOST}`, '-days', '2', '-out', file('one.crt'), '-keyout', file('one.key')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...subject],
    { stdio: 'ignore' },
  );
  const pem = await Promise.all(['one.crt', 'one.key'].map((name) => readFile(file(name), 'utf8')));
  await writeFile(file('one.pem'), pem.join(''));
  const site = {
    hosts: { api: 'api.fathom.test', auth: 'auth.fathom.test', databaseSuffix: '.db.fathom.test' },
    routesMap: file('routes.map'),
    holdScript: file('hold.lua'),
    socketPath: file('admin.sock'),
    certificate: file('one.pem'),
    account: null,
    ports,
  };
  await writeFile(site.routesMap, `${HOST} 127.0.0.1|${port}\n`);
  await writeFile(site.holdScript, holdScript(site));
  // Without the redirect, so that both ports answer.
  await writeFile(file('haproxy.cfg'), haproxySite(site).replace(/^.*redirect scheme.*\n/m, ''));
  const child = spawn('/usr/sbin/haproxy', ['-db', '-f', file('haproxy.cfg')], { stdio: 'inherit' });
  const url = `http://127.0.0.1:${ports.http}`;
  while (
    !(await get({ url, agent: new Agent() }).then(
      () => true,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error(`haproxy ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return child;
}

async function get({ url, agent }: Way): Promise<void> {
  const send = url.startsWith('https:') ? requestHttps : request;
  const call = send(`${url}${PATH}`, { agent, headers: { host: HOST } });
  const [response] = (await once(call.end(), 'response')) as [IncomingMessage];
  await once(response.resume(), 'end');
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
}

/** Medians of rounds, turn by turn. The first round is for the compiler and the caches. */
async function compareTimes(direct: Way, edge: Way): Promise<{ direct: number[]; edge: number[] }> {
  const took = { direct: [] as number[], edge: [] as number[] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    const times = { direct: [] as number[], edge: [] as number[] };
    for (let index = 0; index < REQUESTS; index += 1) {
      const pair = index % 2 === 0 ? (['edge', 'direct'] as const) : (['direct', 'edge'] as const);
      for (const one of pair) {
        const started = performance.now();
        await get(one === 'edge' ? edge : direct);
        times[one].push(performance.now() - started);
      }
    }
    if (round === 0) continue;
    took.direct.push(median(times.direct));
    took.edge.push(median(times.edge));
  }
  return took;
}

async function compareRates(direct: Way, edge: Way): Promise<{ direct: number[]; edge: number[] }> {
  const rates = { direct: [] as number[], edge: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    rates.direct.push(await ratePerSecond(MANY, CONNECTIONS, () => get(direct)));
    rates.edge.push(await ratePerSecond(MANY, CONNECTIONS, () => get(edge)));
  }
  return rates;
}

async function compareStreams(direct: string, edge: string): Promise<{ direct: number[]; edge: number[] }> {
  const took = { direct: [] as number[], edge: [] as number[] };
  for (let index = 0; index < STREAMS; index += 1) {
    took.direct.push(await firstEvent(direct));
    took.edge.push(await firstEvent(edge));
  }
  return took;
}

async function firstEvent(url: string): Promise<number> {
  const started = performance.now();
  const call = request(`${url}/api/realtime`, { agent: false, headers: { host: HOST } });
  const [response] = (await once(call.end(), 'response')) as [IncomingMessage];
  await once(response, 'data');
  const tookMs = performance.now() - started;
  response.on('error', () => {}).destroy();
  return tookMs;
}
