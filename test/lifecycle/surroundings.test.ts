import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../shared/client/fathom-client.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUp, writeAndRead } from '../helpers/fleet-actions.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { PASSWORD, signIn } from '../helpers/http-call.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { finished } from '../helpers/queue.ts';
import { StreamReader } from '../helpers/stream-reader.ts';

/** Requests that came to the proxy which the environment names. */
const proxied: string[] = [];
const proxy = createServer((incoming, answer) => {
  proxied.push(`${incoming.method} ${incoming.url}`);
  answer.writeHead(502).end();
});
proxy.on('connect', (incoming, socket) => {
  proxied.push(`CONNECT ${incoming.url}`);
  socket.end('HTTP/1.1 502 no\r\n\r\n');
});

let fathom: Deployment;
let proxyUrl: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    proxy.listen(0, '127.0.0.1', resolve);
  });
  const { port } = proxy.address() as { port: number };
  proxyUrl = `http://127.0.0.1:${port}`;
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
  fathom = await createDeployment(
    {
      ...Object.fromEntries(names.map((name) => [name, proxyUrl])),
      NODE_USE_ENV_PROXY: '1',
      NO_PROXY: 'example.com',
      // Another address than the usual one, which no program exempts by itself.
      PB_BIND_ADDRESS: '127.0.0.2',
      SERVER_HOST: '127.0.0.3',
    },
    { label: 'sp ace #%41 \'q\' "Q" $HOME ü{}&;-' },
  );
  fathom.url = fathom.url.replace('127.0.0.1', '127.0.0.3');
  fathom.globalUrl = fathom.globalUrl.replace('127.0.0.1', '127.0.0.2');
  await fathom.start();
});

afterAll(async () => {
  await fathom.dispose();
  proxy.close();
});

it('a proxy in the environment is asked for no address of this host; an odd data path is one path', async () => {
  const tenant = await signUp(fathom);
  await writeAndRead(fathom, tenant, 'in an odd place');
  // The global PocketBase calls the daemon.
  const plane = await controlPlane(fathom);
  const { meta } = await plane.collection('users').authWithPassword(tenant.email, PASSWORD);
  expect(meta).toMatchObject({ database: { name: tenant.name } });
  const task = await fathom.client.queue.add({ type: 'database.vacuum', user_id: tenant.userId });
  expect(await finished(fathom, task.id)).toMatchObject({ status: 'done' });

  const { token } = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
  const remote = fathomd(['databases', 'records', tenant.name, 'documents', '--url', fathom.url, '--json'], {
    cwd: fathom.dataDir,
    env: { ...fathom.env, FATHOM_TOKEN: token, NO_PROXY: '' },
  });
  expect(JSON.parse((await remote).stdout)).toMatchObject({ items: [{ title: 'in an odd place' }] });
  const stream = new StreamReader(fathom);
  await stream.subscribe(1, 'instances');

  const processes = await fleetProcesses(fathom.dataDir);
  expect(processes.map(({ instance }) => instance).toSorted()).toEqual([tenant.name, 'global']);
  for (const { pid } of processes) {
    const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
    const exempt = environment
      .find((entry) => entry.startsWith('NO_PROXY='))
      ?.slice('NO_PROXY='.length)
      .split(',');
    expect(exempt).toEqual(expect.arrayContaining(['example.com', '127.0.0.1', '127.0.0.2', '127.0.0.3']));
  }
  expect(proxied).toEqual([]);
});

it('commands reach a daemon on loopback, also with a proxy in the environment', async () => {
  const local = fathom.url.replace('127.0.0.3', '127.0.0.1');
  const forward = createServer((incoming, answer) => {
    incoming.pipe(
      request(
        {
          host: '127.0.0.3',
          port: Number(new URL(fathom.url).port),
          path: incoming.url,
          headers: incoming.headers,
        },
        (from) => from.pipe(answer.writeHead(from.statusCode ?? 502, from.headers)),
      ),
    );
  });
  await new Promise<void>((resolve) => {
    forward.listen(Number(new URL(local).port), '127.0.0.1', resolve);
  });
  onTestFinished(() => void forward.close());
  const { token } = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
  expect(await createClient({ target: { url: local }, token }).daemon.status()).toMatchObject({
    ready: true,
  });
  const { stdout } = await fathomd(['status', '--json', '--url', local], {
    cwd: fathom.dataDir,
    env: { FATHOM_TOKEN: token, NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxyUrl },
  });
  expect(JSON.parse(stdout)).toMatchObject({ ready: true });
  expect(proxied).toEqual([]);
});

it.each(['h2c', 'TLS/1.0', 'h2c, websocket'])(
  'an offered upgrade to %j is answered as an ordinary request',
  async (upgrade) => {
    const answer = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      request(
        `${fathom.url}/health`,
        { headers: { connection: 'Upgrade, HTTP2-Settings', upgrade, 'http2-settings': 'AAEAAEAA' } },
        (incoming) => {
          let body = '';
          incoming.on('data', (chunk) => {
            body += String(chunk);
          });
          incoming.on('end', () => resolve({ status: incoming.statusCode, body }));
        },
      )
        .on('error', reject)
        .end();
    });
    expect(answer).toEqual({ status: 200, body: JSON.stringify({ status: 'ok' }) });
  },
);
