import { expect, it } from 'vitest';
import type { FleetFacts } from './facts/fleet-facts.ts';
import { runFleetChecks } from './fleet-checks.ts';

const FACTS: FleetFacts = {
  exposed: [],
  wrongOwner: [],
  newest: null,
  staleSocket: null,
  stalePidFile: null,
  leftovers: [],
  rescued: [],
  processes: [],
  versions: [],
  directories: [],
  rows: null,
  damaged: [],
  withoutData: [],
  openAccounts: [],
  migrations: null,
  instances: null,
};

function findings(facts: Partial<FleetFacts>) {
  return runFleetChecks(
    { ...FACTS, ...facts },
    { now: new Date('2026-01-01'), daemonRuns: true, binary: { path: '/opt/pocketbase', sha256: 'a1' } },
  );
}

it.each([
  ['the configured content at another path', 'a1', []],
  ['other content', 'b2', ['other_binary']],
  ['an executable that this user cannot read', null, []],
])('compares a process with %s', (_, sha256, expected) => {
  const processes = [{ pid: 7, instance: 'global', sha256, address: null }];
  const ids = findings({ processes }).map(({ id }) => id);
  expect(ids.filter((id) => id === 'other_binary')).toEqual(expected);
});

const pinned = (sha256: string | null) => [
  {
    version: '0.40.6',
    sha256,
    problem: sha256 === null ? 'it is not installed' : null,
    instances: ['2026-01-01-001-ann'],
  },
];

it.each([
  ['that of its version', 'c3', 'c3', []],
  ['that of the fleet', 'c3', 'a1', ['other_binary']],
  ['any, when that of its version is missing', null, 'a1', []],
])('compares a pinned process: %s', (_, wanted, sha256, expected) => {
  const processes = [{ pid: 7, instance: '2026-01-01-001-ann', sha256, address: null }];
  const ids = findings({ processes, versions: pinned(wanted) }).map(({ id }) => id);
  expect(ids.filter((id) => id === 'other_binary')).toEqual(expected);
});

it('names databases whose pinned version cannot be used', () => {
  const [missing] = findings({ versions: pinned(null) }).filter(({ id }) => id === 'versions');
  expect(missing).toMatchObject({
    level: 'warning',
    summary: expect.stringContaining('2026-01-01-001-ann'),
    remedy: expect.stringContaining('fathomd pocketbase install 0.40.6'),
  });
  const [usable] = findings({ versions: pinned('c3') }).filter(({ id }) => id === 'versions');
  expect(usable?.level).toBe('ok');
});

function failed(name: string, code: 'disk_full' | 'hook_broken') {
  return { name, desired: 'running', phase: 'failed', reason: { code, message: '' } } as const;
}

it('groups instances in trouble by their reason and names its remedy', () => {
  const found = findings({
    instances: [failed('a', 'disk_full'), failed('b', 'hook_broken'), failed('c', 'disk_full')] as never,
  }).filter(({ id }) => id === 'instances');
  expect(found.map(({ level }) => level)).toEqual(['warning', 'warning']);
  expect(found[0]?.summary).toMatch(/disk_full.*\ba\b.*\bc\b/);
});
