import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { HAPROXY_PATH, hasHaproxy } from '../../../test/helpers/haproxy.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { until } from '../../../test/helpers/until.ts';
import { HaproxyMap } from './haproxy-map.ts';

/** HAProxy with an admin socket and a map, until the test ends. @param frontend its directives */
async function startHaproxy(frontend: (map: string) => string) {
  const directory = await scratch();
  const [file, mapFile, socketPath, http] = ['haproxy.cfg', 'routes.map', 'admin.sock', 'http.sock'].map(
    (name) => join(directory, name),
  ) as [string, string, string, string];
  await writeFile(mapFile, 'a 1\n');
  await writeFile(
    file,
    `global
    stats socket ${socketPath} mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
frontend f
    bind unix@${http}
${frontend(mapFile)}`,
  );
  const haproxy = execa('haproxy', ['-db', '-f', file], { env: { PATH: HAPROXY_PATH }, reject: false });
  onTestFinished(async () => {
    haproxy.kill('SIGKILL');
    await haproxy;
  });
  const map = new HaproxyMap(socketPath, mapFile);
  await until(() => map.process().catch(() => false), { what: () => 'the admin socket' });
  return { map, mapFile, socketPath, http };
}

/** A server that answers nothing. @returns its address, as HAProxy shows it */
async function startSilent(host: string, sockets: Set<Socket>): Promise<string> {
  const server = createServer((socket) => sockets.add(socket));
  server.listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `${host}:${(server.address() as AddressInfo).port}`;
}

it.skipIf(!hasHaproxy('the test of sessions of HAProxy'))(
  'ends the requests that wait for an address, and no others',
  async () => {
    const { map, http } = await startHaproxy(
      () => `    http-request set-dst req.hdr(host-of)
    http-request set-dst-port req.hdr(port-of)
    default_backend b
backend b
    server any 0.0.0.0:0
`,
    );
    const sockets = new Set<Socket>();
    const [lost, other, lost6] = await Promise.all(
      ['127.0.0.1', '127.0.0.1', '::1'].map((host) => startSilent(host, sockets)),
    );
    const ended: string[] = [];
    for (const address of [lost, other, lost6] as string[]) {
      const split = address.lastIndexOf(':');
      const headers = { 'host-of': address.slice(0, split), 'port-of': address.slice(split + 1) };
      const call = request({ socketPath: http, headers });
      onTestFinished(() => void call.destroy());
      call.on('response', ({ statusCode }) => ended.push(`${address} ${statusCode}`));
      call.on('error', () => ended.push(address));
      call.end();
    }
    await until(() => sockets.size === 3, { what: 'the requests' });
    expect(await map.endSessions(new Set([lost, lost6] as string[]))).toBe(2);
    await until(() => ended.length === 2, { what: () => `the end of two requests: ${ended.join(', ')}` });
    expect(new Set(ended.map((line) => line.split(' ')[0]))).toEqual(new Set([lost, lost6]));
    expect(await map.endSessions(new Set([lost] as string[]))).toBe(0);
    expect(ended).toHaveLength(2);
  },
);

it.skipIf(!hasHaproxy('the test of maps of HAProxy'))(
  'leaves the entries as they were after a refused one, and none of the refused version',
  async () => {
    const { map, mapFile, socketPath } = await startHaproxy(
      (file) =>
        `    http-request return status 200 lf-string %[path,map_str_int(${file})] content-type text/plain\n`,
    );
    const show = async (version: string) => {
      const socket = connect(socketPath);
      socket.write(`show map ${version}${mapFile}\n`);
      return (await text(socket))
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => line.replace(/^\S+ /, ''));
    };

    await map.replace(new Map([['b', '2']]));
    expect(await show('')).toEqual(['b 2']);
    // HAProxy refuses the entry: its value is not a number.
    await expect(
      map.replace(
        new Map([
          ['c', '3'],
          ['d', 'x'],
        ]),
      ),
    ).rejects.toThrow(/add map/);
    expect(await show('')).toEqual(['b 2']);
    expect(await show('@2 ')).toEqual([]);
    await map.replace(new Map([['c', '4']]));
    expect(await show('')).toEqual(['c 4']);
  },
);
