import { describe, expect, it } from 'vitest';
import type { EtcdServer } from '../../cluster/etcd/servers.ts';
import type { ClusterFacts } from '../../cluster/inspect.ts';
import { checkCluster } from './cluster-checks.ts';

const server = (change: Partial<EtcdServer> = {}): EtcdServer => ({
  endpoint: 'https://10.0.0.1:2379',
  problem: null,
  version: '3.4.23',
  preVote: true,
  compaction: '1',
  sizeBytes: 2 ** 20,
  isFull: false,
  clockAheadMs: 0,
  ...change,
});

const GOOD: ClusterFacts = {
  servers: [
    server(),
    server({ endpoint: 'https://10.0.0.2:2379' }),
    server({ endpoint: 'https://10.0.0.3:2379' }),
  ],
  members: 3,
  nodes: [
    { node: 'n1', version: '1.0.0' },
    { node: 'n2', version: '1.0.0' },
  ],
  drained: [],
  isExposed: false,
  problem: null,
};

const problems = (change: Partial<ClusterFacts>) =>
  checkCluster({ ...GOOD, ...change }, '1.0.0').flatMap((finding) =>
    finding.level === 'ok' ? [] : [`${finding.level}: ${finding.summary}`],
  );

const withOne = (change: Partial<EtcdServer>) => ({ servers: [server(change), ...GOOD.servers.slice(1)] });

describe('the checks of a cluster', () => {
  it('are silent without one, and find nothing in a good one', () => {
    expect(checkCluster(null, '1.0.0')).toEqual([]);
    expect(problems({})).toEqual([]);
  });

  it.each<[Partial<ClusterFacts>, RegExp]>([
    [{ problem: 'cannot read /a' }, /^fatal: cannot use etcd: cannot read \/a/],
    [withOne({ problem: 'refused' }), /^warning: etcd at https:\/\/10\.0\.0\.1:2379 cannot be used: refused/],
    [{ servers: [server({ problem: 'refused' })], members: null }, /^fatal: .*cannot be used: refused/],
    [{ members: 2 }, /^warning: etcd has 2 of the 3 servers/],
    [{ members: 5 }, /^warning: FATHOM_CLUSTER names 3 of the 5 servers/],
    [withOne({ version: '3.3.27' }), /^fatal: etcd at .* is 3\.3\.27/],
    [withOne({ preVote: null }), /^warning: etcd 3\.4\.23 at .* has no --pre-vote/],
    [withOne({ version: '3.5.1', preVote: false }), /^warning: etcd 3\.5\.1 at .* has no --pre-vote/],
    [withOne({ isFull: true }), /^fatal: etcd at .* is full \(alarm NOSPACE\)/],
    [
      withOne({ compaction: null, sizeBytes: 2 ** 29 }),
      /^warning: .* 512 MiB, .*--auto-compaction-retention/,
    ],
    [withOne({ compaction: '0', sizeBytes: 2 ** 29 }), /^warning: .* 512 MiB, .*--auto-compaction-retention/],
    [withOne({ clockAheadMs: -3_400 }), /is 3 s behind that of this host/],
    [withOne({ clockAheadMs: 61_000 }), /is 61 s ahead of that of this host/],
    [{ isExposed: true }, /without encryption/],
    [{ nodes: [{ node: 'n2', version: '0.9.0' }] }, /another version of Fathom than 1\.0\.0: n2 \(0\.9\.0\)/],
    [
      { drained: [{ node: 'n3', purpose: 'maintenance' }] },
      /^warning: node n3 is drained, and takes over nothing; it is offline/,
    ],
    [
      {
        drained: [{ node: 'n2', purpose: 'maintenance' }],
        nodes: [{ node: 'n2', version: '1.0.0', drain: { left: 3 } }],
      },
      /^warning: node n2 is drained.*databases there: 3/,
    ],
    [
      { drained: [{ node: 'n2', purpose: 'upgrade' }] },
      /^warning: node n2 is drained for its upgrade, which has not finished/,
    ],
  ])('find %o', (change, expected) => {
    expect(problems(change)).toEqual([expect.stringMatching(expected)]);
  });

  it('accept etcd 3.5 and later, which has --pre-vote by default', () => {
    expect(problems(withOne({ version: '3.5.0', preVote: null }))).toEqual([]);
    expect(problems(withOne({ version: '3.10.0', preVote: null }))).toEqual([]);
    expect(problems(withOne({ version: '4.0.0', preVote: null }))).toEqual([]);
  });
});
