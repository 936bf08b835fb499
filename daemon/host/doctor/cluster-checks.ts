import type { EtcdServer } from '../../cluster/etcd/servers.ts';
import type { ClusterFacts } from '../../cluster/inspect.ts';
import { type Finding, fatal, ok, warning } from './finding.ts';

const MAX_CLOCK_DIFFERENCE_MS = 2_000;
const MIB = 1024 ** 2;
/** Far more than a cluster with compaction needs. */
const LARGE_ETCD_BYTES = 256 * MIB;
const OLDEST = { major: 3, minor: 4 } as const;

/** Whether the servers of etcd can be relied on, and the nodes fit together. Null without FATHOM_CLUSTER. */
export function checkCluster(facts: ClusterFacts | null, fathomVersion: string): Finding[] {
  if (facts === null) return [];
  if (facts.problem !== null)
    return [fatal('cluster', `cannot use etcd: ${facts.problem}`, 'correct the settings FATHOM_CLUSTER…')];
  return [
    ...checkServers(facts),
    ...checkMembers(facts),
    ...facts.servers
      .filter(({ problem }) => problem === null)
      .flatMap((server) => [...checkServer(server), ...checkSize(server)]),
    ...checkEncryption(facts),
    ...checkVersions(facts, fathomVersion),
    ...facts.drained.map((drain) => checkDrained(drain, facts)),
  ];
}

function checkServers({ servers }: ClusterFacts): Finding[] {
  const failed = servers.filter(({ problem }) => problem !== null);
  if (failed.length === 0) return [ok('cluster', `all servers of etcd answer: ${servers.length}`)];
  const level = failed.length === servers.length ? fatal : warning;
  return failed.map(({ endpoint, problem }) =>
    level(
      'cluster',
      `etcd at ${endpoint} cannot be used: ${problem}`,
      `start it, and check that this host can connect to it ('curl ${endpoint}/health')`,
    ),
  );
}

function checkMembers({ members, servers }: ClusterFacts): Finding[] {
  if (members === null) return [];
  const remedy = 'use three or five servers of etcd; a small host without databases can be the third';
  if (members < 3)
    return [warning('cluster', `etcd has ${members} of the 3 servers that survive the loss of one`, remedy)];
  if (servers.length < members)
    return [
      warning(
        'cluster',
        `FATHOM_CLUSTER names ${servers.length} of the ${members} servers of etcd`,
        'name all of them, so that the daemon can use each',
      ),
    ];
  return [ok('cluster', `etcd has ${members} servers`)];
}

function checkServer({ endpoint, version, preVote, clockAheadMs }: EtcdServer): Finding[] {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  const isOld = major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor);
  const hasDefault = major > 3 || (major === 3 && minor >= 5);
  return [
    ...(isOld
      ? [fatal('cluster', `etcd at ${endpoint} is ${version}, and Fathom needs 3.4`, 'upgrade etcd')]
      : []),
    ...(preVote === false || (preVote === null && !hasDefault)
      ? [
          warning(
            'cluster',
            `etcd ${version} at ${endpoint} has no --pre-vote on its command line: a server that comes back interrupts the others`,
            'start it with --pre-vote',
          ),
        ]
      : []),
    ...(clockAheadMs !== null && Math.abs(clockAheadMs) > MAX_CLOCK_DIFFERENCE_MS
      ? [
          warning(
            'cluster',
            `the clock of etcd at ${endpoint} is ${Math.round(Math.abs(clockAheadMs) / 1000)} s ${clockAheadMs > 0 ? 'ahead of' : 'behind'} that of this host`,
            "let both synchronize their clocks ('timedatectl' shows it)",
          ),
        ]
      : []),
  ];
}

/** Without compaction, etcd keeps each renewal, until its file has reached its limit (2 GiB by default). */
function checkSize({ endpoint, compaction, sizeBytes, isFull }: EtcdServer): Finding[] {
  if (isFull)
    return [
      fatal(
        'cluster',
        `etcd at ${endpoint} is full (alarm NOSPACE), and refuses writes: no node can join, claim, move or take over databases`,
        "run 'etcdctl compact REVISION', 'etcdctl defrag' on each server and 'etcdctl alarm disarm'; start etcd with --auto-compaction-retention=1",
      ),
    ];
  const isOff = compaction === null || /^0[a-z]*$/.test(compaction);
  if (!isOff || sizeBytes === null || sizeBytes < LARGE_ETCD_BYTES) return [];
  return [
    warning(
      'cluster',
      `the file of etcd at ${endpoint} has ${Math.round(sizeBytes / MIB)} MiB, and its command line has no --auto-compaction-retention: etcd refuses writes at its limit, 2 GiB by default`,
      "start it with --auto-compaction-retention=1, then run 'etcdctl defrag' on it",
    ),
  ];
}

function checkEncryption({ isExposed }: ClusterFacts): Finding[] {
  if (!isExposed) return [];
  return [
    warning(
      'cluster',
      'the daemon talks to etcd without encryption',
      'use https URLs in FATHOM_CLUSTER; FATHOM_CLUSTER_CA names the certificate of your authority',
    ),
  ];
}

function checkVersions({ nodes }: ClusterFacts, fathomVersion: string): Finding[] {
  const others = nodes.filter(({ version }) => version !== fathomVersion);
  if (others.length === 0) return [];
  const list = others.map(({ node, version }) => `${node} (${version})`).join(', ');
  return [
    warning(
      'cluster',
      `nodes have another version of Fathom than ${fathomVersion}: ${list}`,
      "run 'fathomd upgrade TARBALL --cluster' on each node with the older version, one after the other",
    ),
  ];
}

/** Otherwise it is forgotten, and the others have its share of the databases. */
function checkDrained(
  { node: name, purpose }: ClusterFacts['drained'][number],
  { nodes }: ClusterFacts,
): Finding {
  const online = nodes.find(({ node }) => node === name);
  const left = online?.drain?.left;
  const state = online === undefined ? 'it is offline' : `databases there: ${left ?? 'not known yet'}`;
  if (purpose === 'upgrade')
    return warning(
      'cluster',
      `node ${name} is drained for its upgrade, which has not finished; ${state}`,
      `run the same 'fathomd upgrade TARBALL --cluster' on it again, or 'fathomd nodes undrain ${name}'`,
    );
  return warning(
    'cluster',
    `node ${name} is drained, and takes over nothing; ${state}`,
    `when its maintenance is over, run 'fathomd nodes undrain ${name}'; when it does not come back, 'fathomd nodes remove ${name}'`,
  );
}
