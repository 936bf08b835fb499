import { expect, it } from 'vitest';
import type { FoundProcess } from '../../pocketbase/process/process-driver.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import { byInstance, isOutdated, portOf, whyNotAdopt } from './takeover.ts';

const spec = {
  name: '2024-01-15-001-a',
  directory: '/data/a',
  host: '127.0.0.1',
  port: { preferred: 9000 },
  binary: { path: '/opt/fathom/2/pocketbase', sha256: 'same' },
  hooksDir: null,
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
  environment: new Map(),
};

const why = (changes: Partial<FoundProcess>, port: InstanceSpec['port'] = spec.port) =>
  whyNotAdopt({ ...found, ...changes }, { ...spec, port });

it('what serves the same data on the same host is taken over, on whatever port it has', () => {
  expect(whyNotAdopt(found, spec)).toBeNull();
  expect(isOutdated(found, spec)).toBe(false);
  expect(portOf(found)).toBe(9007);
});

it('anything else is not, and it is said why', () => {
  expect(why({ executable: null, sha256: null })).toEqual(expect.any(String));
  expect(why({ dataDir: '/data/b/pb_data' })).toContain('/data/b/pb_data');
  expect(why({ address: '0.0.0.0:9007' })).toContain('0.0.0.0:9007');
  expect(why({ address: '127.0.0.1:0' })).toContain('127.0.0.1:0');
  expect(why({ address: null })).toEqual(expect.any(String));
  expect(why({}, { fixed: 8090 })).toContain('9007');
  expect(why({}, { fixed: 9007 })).toBeNull();
});

it('an address of IPv6 is read by its brackets', () => {
  const six = { ...found, address: '[::1]:9007' };
  expect(whyNotAdopt(six, { ...spec, host: '::1' })).toBeNull();
});

it('of two for one instance the older one comes first', () => {
  const younger = { ...found, pid: 9, startTime: 200 };
  const other = { ...found, pid: 11, startTime: 50, instance: 'b' };
  expect(
    [...byInstance([younger, other, found])].map(([name, all]) => [name, all.map(({ pid }) => pid)]),
  ).toEqual([
    ['b', [11]],
    [spec.name, [10, 9]],
  ]);
});

it('another binary is taken over, and then to be replaced', () => {
  const old = { ...found, sha256: 'another' };
  expect(whyNotAdopt(old, spec)).toBeNull();
  expect(isOutdated(old, spec)).toBe(true);
  // Or other settings.
  const withKey = { ...spec, environment: { KEY: 'k' } as Record<string, string> };
  expect(isOutdated({ ...found, environment: new Map([['KEY', 'k']]) }, withKey)).toBe(false);
  expect(isOutdated(found, withKey)).toBe(true);
});

it('the global one has to be what this daemon would start', () => {
  const serving = { ...found, hooksDir: '/opt/fathom/2/hooks', environment: new Map([['KEY', 'k']]) };
  const reason = (changes: Partial<FoundProcess>) => whyNotAdopt({ ...serving, ...changes }, globalSpec);
  expect(reason({})).toBeNull();
  expect(reason({ sha256: 'another' })).toContain('/opt/fathom/1/pocketbase');
  expect(reason({ hooksDir: '/opt/fathom/1/hooks' })).toContain('/opt/fathom/1/hooks');
  const otherKey = reason({ environment: new Map([['KEY', 'secret']]) });
  expect(otherKey).toContain('KEY');
  expect(otherKey).not.toContain('secret');
});
