import { describe, expect, it } from 'vitest';
import { nginxSite, parseNginxVersion } from './nginx-site.ts';
import { CLOSED_PATHS, domainProblem, pathProblem, type Site } from './site.ts';

const SITE: Site = {
  domain: 'example.com',
  certificate: '/etc/tls/fullchain.pem',
  certificateKey: '/etc/tls/privkey.pem',
  edgeToken: 'token',
  api: '127.0.0.1:3000',
  global: '127.0.0.1:8090',
  databaseHost: '127.0.0.1',
  requestsPerMinute: 6000,
  connectionsPerAddress: 256,
  ports: { http: 80, https: 443 },
  hasIPv6: true,
};
const render = (version: [number, number, number], changes: Partial<Site> = {}) =>
  nginxSite({ ...SITE, ...changes, version, cache: '/var/cache/fathom-edge' });

describe('nginxSite', () => {
  it.each([
    [[1, 22, 1], true],
    [[1, 25, 0], true],
    [[1, 25, 1], false],
    [[1, 26, 3], false],
    [[2, 0, 0], false],
  ] as const)('uses the form of http2 that nginx %j has', (version, isOption) => {
    const site = render([...version]);
    expect(site.includes('listen 443 ssl http2;')).toBe(isOption);
    expect(site.includes('http2 on;')).toBe(!isOption);
  });

  it('limits connections to what nginx accepts', () => {
    const site = render([1, 26, 0], { connectionsPerAddress: 100_000_000 });
    expect(site).toContain('limit_conn fathom_client_connections 65535;');
  });

  it('listens on IPv6 only where the host has it', () => {
    expect(render([1, 26, 0])).toContain('listen [::]:443 ssl;');
    expect(render([1, 26, 0], { hasIPv6: false })).not.toContain('[::]');
  });

  it('has no directive outside of a server that nginx.conf of Debian has', () => {
    const outside = render([1, 26, 0])
      .replace(/^(?:map|server|upstream)\b[\s\S]*?^\}/gm, '')
      .split('\n')
      .flatMap((line) => /^\w+/.exec(line) ?? []);
    expect([...new Set(outside)]).toEqual(['proxy_cache_path', 'limit_req_zone', 'limit_conn_zone']);
  });

  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
    ['2001:db8:1:2::1', '2001:db8:1:2::'],
    ['2001:db8:1:2::', '2001:db8:1:2::'],
    ['2001:db8:0:1:0:1:0:1', '2001:db8:0:1::'],
    ['2001:db8:1::1', '2001:db8:1::'],
    ['2001:db8::3:4:5:6', '2001:db8::'],
    ['2001:db8::', '2001:db8::'],
    ['2001::1', '2001::'],
    ['::1', '::1'],
  ])('takes the client %s for %s', (address, client) => {
    const map = /^map \$remote_addr[^{]*\{([\s\S]*?)^\}/m.exec(render([1, 26, 0]))?.[1] ?? '';
    const rules = [...map.matchAll(/^ +"~(.+)" "\$(\w+)(::)";$/gm)];
    expect(rules).toHaveLength(2);
    const [match] = rules.flatMap(([, pattern = '', name = '', end = '']) => {
      const found = new RegExp(pattern).exec(address)?.groups?.[name];
      return found === undefined ? [] : [found + end];
    });
    expect(match ?? address).toBe(client);
  });
});

const isClosed = (path: string) => new RegExp(CLOSED_PATHS, 'i').test(path);

describe('CLOSED_PATHS', () => {
  it.each([
    '/_',
    '/_/',
    '/_/\n',
    '/api/settings',
    '/api/settings/test/s3',
    '/api/collections',
    '/api/collections/',
    '/api/collections/x',
    '/api/collections/import',
    '/api/collections/x/truncate',
    '/api/collections/meta/scaffolds',
    '/API/Collections/_Superusers/auth-refresh',
  ])('has %j', (path) => expect(isClosed(path)).toBe(true));

  it.each([
    '/',
    '/api/health',
    '/api/batch',
    '/api/realtime',
    '/api/files/x/y/_',
    '/api/settings-of-mine',
    '/_x',
    '/x/_/',
    '/api/collections/users/auth-with-password',
    '/api/collections/logs/records',
    '/api/collections/meta/records/settings',
    '/api/collections/x/records',
  ])('does not have %j', (path) => expect(isClosed(path)).toBe(false));
});

it.each([
  ['nginx version: nginx/1.22.1', [1, 22, 1]],
  ['nginx version: nginx/1.26.3 (Debian)', [1, 26, 3]],
  ['sh: 1: nginx: not found', null],
])('reads the version of %j', (output, version) => expect(parseNginxVersion(output)).toEqual(version));

it.each(['example.com', 'a.b.example.co.uk', 'xn--bcher-kva.example'])('takes the domain %s', (domain) =>
  expect(domainProblem(domain)).toBeNull(),
);

it.each([
  '',
  'com',
  '.example.com',
  'example.com.',
  'Example.com',
  'ex_ample.com',
  '-a.com',
  'a b.com',
  'a;b.com',
  '*.example.com',
  'bücher.example',
  `${'a'.repeat(64)}.com`,
  `${'abcdefghi.'.repeat(20)}com`,
])('refuses the domain %j', (domain) => expect(domainProblem(domain)).toEqual(expect.any(String)));

it.each(['cert.pem', '/a b', '/a;b', '/a"b', '/a$b', '/a\nb', '/a{b'])('refuses the path %j', (path) =>
  expect(pathProblem('--certificate', path)).toEqual(expect.any(String)),
);

it('takes the path of certbot', () =>
  expect(pathProblem('--certificate', '/etc/letsencrypt/live/example.com/fullchain.pem')).toBeNull());
