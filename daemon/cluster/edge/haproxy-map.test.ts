import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { HAPROXY_PATH, hasHaproxy } from '../../../test/helpers/haproxy.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { until } from '../../../test/helpers/until.ts';
import { HaproxyMap } from './haproxy-map.ts';

it.skipIf(!hasHaproxy('the test of maps of HAProxy'))(
  'leaves the entries as they were after a refused one, and none of the refused version',
  async () => {
    const directory = await scratch();
    const [file, mapFile, socketPath] = ['haproxy.cfg', 'routes.map', 'admin.sock'].map((name) =>
      join(directory, name),
    ) as [string, string, string];
    await writeFile(mapFile, 'a 1\n');
    await writeFile(
      file,
      `global
    stats socket ${socketPath} mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend f
    bind unix@${join(directory, 'http.sock')}
    http-request return status 200 lf-string %[path,map_str_int(${mapFile})] content-type text/plain
`,
    );
    const haproxy = execa('haproxy', ['-db', '-f', file], { env: { PATH: HAPROXY_PATH }, reject: false });
    onTestFinished(async () => {
      haproxy.kill('SIGKILL');
      await haproxy;
    });
    const map = new HaproxyMap(socketPath, mapFile);
    await until(() => map.process().catch(() => false), { what: () => 'the admin socket' });
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
