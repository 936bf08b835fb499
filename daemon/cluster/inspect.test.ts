import { describe, expect, it } from 'vitest';
import { hasEtcd, startEtcd } from '../../test/helpers/etcd.ts';
import type { ClusterConfig } from '../config/cluster.ts';
import { clockAhead } from './etcd/servers.ts';
import { inspectCluster } from './inspect.ts';

const configOf = (endpoints: string[], change: Partial<ClusterConfig> = {}): ClusterConfig => ({
  endpoints,
  name: 'test',
  node: 'n1',
  address: '10.0.0.1',
  leaseSeconds: 15,
  isFenced: false,
  movesPerHour: 0,
  fleetId: null,
  ca: null,
  cert: null,
  key: null,
  user: null,
  passwordFile: null,
  ...change,
});

describe('the difference of clocks', () => {
  it.each([
    [10_000, 10_000, 0],
    [10_000, 10_999, 0],
    [10_000, 12_500, -1_500],
    [10_000, 7_000, 3_000],
  ])('of the second %i at %i is %i', (second, now, expected) => {
    expect(Math.abs(clockAhead(second, now) - expected)).toBe(0);
  });
});

describe('an inspection', () => {
  it('reports a file that cannot be read, and servers that do not answer', async () => {
    expect(
      (await inspectCluster(configOf(['http://127.0.0.1:1'], { ca: '/missing/ca.crt' }))).problem,
    ).toMatch(/FATHOM_CLUSTER_CA: cannot read \/missing\/ca\.crt/);
    const facts = await inspectCluster(configOf(['http://127.0.0.1:1']));
    expect(facts).toMatchObject({ members: null, problem: null });
    expect(facts.servers[0]?.problem).toContain('ECONNREFUSED');
  });

  it.skipIf(!hasEtcd('the test of an inspection'))(
    'reads version, command line, size and clock of each server',
    async () => {
      const { url } = await startEtcd({ flags: ['--auto-compaction-retention=1'] });
      const { servers, members, isExposed, problem } = await inspectCluster(
        configOf([url, 'http://127.0.0.1:1']),
      );
      expect({ members, isExposed, problem }).toEqual({ members: 1, isExposed: false, problem: null });
      expect(servers).toMatchObject([
        { endpoint: url, problem: null, preVote: true },
        { version: null, preVote: null },
      ]);
      expect(servers[0]).toMatchObject({ compaction: '1', isFull: false });
      expect(servers[0]?.sizeBytes).toBeGreaterThan(0);
      expect(servers[0]?.version).toMatch(/^3\.\d+\.\d+$/);
      expect(Math.abs(servers[0]?.clockAheadMs ?? Number.NaN)).toBeLessThan(2_000);
    },
  );

  it.skipIf(!hasEtcd('the test of a full etcd'))('reports an etcd that is full', async () => {
    const { url } = await startEtcd({ flags: ['--quota-backend-bytes=16384'] });
    const value = Buffer.alloc(64 * 1024).toString('base64');
    const put = () =>
      fetch(`${url}/v3/kv/put`, { method: 'POST', body: JSON.stringify({ key: 'YQ==', value }) });
    await put();
    await put();
    const { servers } = await inspectCluster(configOf([url]));
    expect(servers).toMatchObject([{ problem: null, compaction: null, isFull: true }]);
  });
});
