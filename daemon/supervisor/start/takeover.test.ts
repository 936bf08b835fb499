import { expect, it } from 'vitest';
import type { FoundProcess } from '../../pocketbase/process/process-driver.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import { adoptionProblem, groupByInstance, isOutdated, portOf } from './takeover.ts';

const spec = {
  name: '2024-01-15-001-a',
  directory: '/data/a',
  host: '127.0.0.1',
  port: { preferred: 9000 },
  binary: { path: '/opt/fathom/2/pocketbase', sha256: 'same' },
  hooksDir: null,
  publicDir: null,
  environment: {},
} as InstanceSpec;
const globalSpec = {
  ...spec,
  kind: 'global',
  hooksDir: '/opt/fathom/2/hooks',
  environment: { KEY: 'k' },
} as InstanceSpec;

const found: FoundProcess = {
  instance: spec.name,
  pid: 10,
  startTime: 100,
  startedAt: new Date(0),
  dataDir: '/data/a/pb_data',
  address: '127.0.0.1:9007',
  executable: '/opt/fathom/1/pocketbase (deleted)',
  sha256: 'same',
  hooksDir: '/data/a/none',
  publicDir: '/data/a/none',
  environment: new Map(),
  sandbox: { level: 'full', reason: null },
};

const problem = (changes: Partial<FoundProcess>, port: InstanceSpec['port'] = spec.port) =>
  adoptionProblem({ ...found, ...changes }, { ...spec, port });

it('adopts a process with the same data and host on any port', () => {
  expect(adoptionProblem(found, spec)).toBeNull();
  expect(isOutdated(found, spec)).toBe(false);
  expect(portOf(found)).toBe(9007);
});

it('rejects any other process with the reason', () => {
  expect(problem({ executable: null, sha256: null })).toEqual(expect.any(String));
  expect(problem({ dataDir: '/data/b/pb_data' })).toContain('/data/b/pb_data');
  expect(problem({ address: '0.0.0.0:9007' })).toContain('0.0.0.0:9007');
  expect(problem({ address: '127.0.0.1:0' })).toContain('127.0.0.1:0');
  expect(problem({ address: null })).toEqual(expect.any(String));
  expect(problem({}, { fixed: 8090 })).toContain('9007');
  expect(problem({}, { fixed: 9007 })).toBeNull();
});

it('parses an IPv6 address in brackets', () => {
  const ipv6 = { ...found, address: '[::1]:9007' };
  expect(adoptionProblem(ipv6, { ...spec, host: '::1' })).toBeNull();
});

it('groups processes by instance, oldest first', () => {
  const younger = { ...found, pid: 9, startTime: 200 };
  const other = { ...found, pid: 11, startTime: 50, instance: 'b' };
  expect(
    [...groupByInstance([younger, other, found])].map(([name, all]) => [name, all.map(({ pid }) => pid)]),
  ).toEqual([
    ['b', [11]],
    [spec.name, [10, 9]],
  ]);
});

it('adopts a process with another binary or other settings, which is outdated', () => {
  const old = { ...found, sha256: 'another' };
  expect(adoptionProblem(old, spec)).toBeNull();
  expect(isOutdated(old, spec)).toBe(true);
  // Other settings.
  const withKey = { ...spec, environment: { KEY: 'k' } as Record<string, string> };
  expect(isOutdated({ ...found, environment: new Map([['KEY', 'k']]) }, withKey)).toBe(false);
  expect(isOutdated(found, withKey)).toBe(true);
});

it('adopts a global instance only with the same binary, hooks and settings', () => {
  const serving = { ...found, hooksDir: '/opt/fathom/2/hooks', environment: new Map([['KEY', 'k']]) };
  const reason = (changes: Partial<FoundProcess>) => adoptionProblem({ ...serving, ...changes }, globalSpec);
  expect(reason({})).toBeNull();
  expect(reason({ sha256: 'another' })).toContain('/opt/fathom/1/pocketbase');
  expect(reason({ hooksDir: '/opt/fathom/1/hooks' })).toContain('/opt/fathom/1/hooks');
  const otherKey = reason({ environment: new Map([['KEY', 'secret']]) });
  expect(otherKey).toContain('KEY');
  expect(otherKey).not.toContain('secret');
});
