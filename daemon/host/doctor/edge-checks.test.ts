import { expect, it } from 'vitest';
import { checkEdge } from './edge-checks.ts';
import type { HostFacts } from './facts/host-facts.ts';

const NOW = new Date('2026-01-15T10:00:00Z');
const EDGE = { hasToken: true, trustedProxies: ['127.0.0.1'], publicUrl: 'https://{name}.db.example.com' };
const NONE = { hasToken: false, trustedProxies: [], publicUrl: 'http://{host}:{port}' };
const QUIET = { trusted: 0, untrusted: null };

function check({
  edge = EDGE,
  proxies = QUIET,
  startedAt = '2026-01-01T10:00:00Z',
}: {
  edge?: HostFacts['edge'];
  proxies?: { trusted: number; untrusted: string | null };
  startedAt?: string;
}) {
  const daemon = { state: 'ready', proxies, startedAt };
  return checkEdge({ edge, daemon, now: NOW } as unknown as HostFacts).map(({ level }) => level);
}

it.each([
  ['nothing is set up', { edge: NONE }, []],
  ['the configuration is not valid', { edge: null }, []],
  ['the proxy sends requests', { proxies: { trusted: 1, untrusted: null } }, ['ok']],
  ['the daemon has just started', { startedAt: '2026-01-15T09:50:00Z' }, []],
  ['the proxy sends nothing', {}, ['warning']],
  ['a proxy is not trusted', { edge: NONE, proxies: { trusted: 0, untrusted: '10.0.0.1' } }, ['warning']],
  ['only one of two proxies is trusted', { proxies: { trusted: 5, untrusted: '10.0.0.1' } }, ['warning']],
  [
    'the settings do not fit to the token',
    { edge: { ...NONE, hasToken: true }, proxies: { trusted: 1, untrusted: null } },
    ['warning', 'warning'],
  ],
  [
    'the URL has a port',
    {
      edge: { ...EDGE, publicUrl: 'https://{name}--{port}.db.example.com' },
      proxies: { trusted: 1, untrusted: null },
    },
    ['warning'],
  ],
] as const)('when %s', (_, facts, levels) => {
  expect(check(facts as Parameters<typeof check>[0])).toEqual(levels);
});
