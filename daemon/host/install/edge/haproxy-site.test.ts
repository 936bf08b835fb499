import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { freePortRange } from '../../../../test/helpers/free-ports.ts';
import { HAPROXY_PATH, hasHaproxy } from '../../../../test/helpers/haproxy.ts';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { until } from '../../../../test/helpers/until.ts';
import { type HaproxySite, haproxySite, holdScript } from './haproxy-site.ts';

const siteIn = (directory: string): HaproxySite => ({
  hosts: { api: 'api.fathom.test', auth: 'auth.fathom.test', databaseSuffix: '.db.fathom.test' },
  routesMap: join(directory, 'routes.map'),
  holdScript: join(directory, 'hold.lua'),
  socketPath: join(directory, 'admin.sock'),
  certificate: null,
  account: null,
  ports: { http: 8080, https: 8443 },
});

it.skipIf(!hasHaproxy('the check of the configuration of HAProxy'))(
  'is accepted by HAProxy, with TLS and without',
  async () => {
    const directory = await scratch();
    const file = (name: string) => join(directory, name);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const out = [
      '-subj',
      '/CN=fathom.test',
      '-days',
      '2',
      '-out',
      file('one.pem'),
      '-keyout',
      file('one.pem.key'),
    ];
    await execa('openssl', ['req', '-x509', ...key, ...out]);
    const site = siteIn(directory);
    await writeFile(site.routesMap, '');
    await writeFile(site.holdScript, holdScript(site));
    for (const certificate of [null, file('one.pem')]) {
      const text = haproxySite({ ...site, certificate });
      await writeFile(file('haproxy.cfg'), text);
      const check = await execa('haproxy', ['-c', '-f', file('haproxy.cfg')], {
        env: { PATH: HAPROXY_PATH },
        reject: false,
      });
      expect([check.exitCode, check.stderr]).toEqual([0, '']);
      expect(text.includes('redirect scheme https')).toBe(certificate !== null);
    }
  },
);

/** HAProxy in front of a server that answers with the address of the client that HAProxy sent. */
async function startHaproxy() {
  const server = createServer((incoming, response) => response.end(incoming.headers['x-forwarded-for']));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const directory = await scratch();
  const port = await freePortRange(1);
  const site = { ...siteIn(directory), ports: { http: port, https: 8443 } };
  const to = `127.0.0.1|${(server.address() as AddressInfo).port}`;
  const names = ['a.db.fathom.test', 'api.fathom.test', 'auth.fathom.test'];
  await writeFile(site.routesMap, names.map((name) => `${name} ${to}\n`).join(''));
  await writeFile(site.holdScript, holdScript(site));
  const file = join(directory, 'haproxy.cfg');
  await writeFile(file, haproxySite(site));
  const haproxy = execa('haproxy', ['-db', '-f', file], { env: { PATH: HAPROXY_PATH }, reject: false });
  onTestFinished(async () => {
    haproxy.kill('SIGKILL');
    await haproxy;
  });
  const call = async (host: string, path: string, address = '127.0.0.1') => {
    const sent = request({ host: address, port, path, agent: false, headers: { host } });
    sent.end();
    const [response] = await once(sent, 'response');
    return `${response.statusCode} ${await textOf(response)}`;
  };
  await until(() => call('api.fathom.test', '/').catch(() => false), { what: () => 'HAProxy' });
  return { call };
}

it.skipIf(!hasHaproxy('the test of clients of HAProxy'))(
  'sends the address of a client, and that of the network of an IPv6 client to databases',
  async () => {
    const { call } = await startHaproxy();
    expect(await call('a.db.fathom.test', '/')).toBe('200 127.0.0.1');
    expect(await call('a.db.fathom.test', '/', '::1')).toBe('200 ::');
    for (const host of ['api.fathom.test', 'auth.fathom.test']) {
      expect(await call(host, '/')).toBe('200 127.0.0.1');
      expect(await call(host, '/', '::1')).toBe('200 ::1');
    }
  },
);

it.skipIf(!hasHaproxy('the test of paths of HAProxy'))('refuses a path that cannot be decoded', async () => {
  const { call } = await startHaproxy();
  for (const host of ['a.db.fathom.test', 'api.fathom.test'])
    for (const path of ['/_/%zz', '/metrics%', '/api/v1/edge/%f'])
      expect(await call(host, path), path).toMatch(/^400 /);
  expect(await call('a.db.fathom.test', '/a%20b')).toMatch(/^200 /);
});
