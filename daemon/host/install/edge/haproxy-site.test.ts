import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { HAPROXY_PATH, hasHaproxy } from '../../../../test/helpers/haproxy.ts';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { type HaproxySite, haproxySite, holdScript } from './haproxy-site.ts';

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
    const site: HaproxySite = {
      hosts: { api: 'api.fathom.test', auth: 'auth.fathom.test', databaseSuffix: '.db.fathom.test' },
      routesMap: file('routes.map'),
      holdScript: file('hold.lua'),
      socketPath: file('admin.sock'),
      certificate: null,
      account: null,
      ports: { http: 8080, https: 8443 },
    };
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
