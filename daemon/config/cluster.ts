import { hostname } from 'node:os';
import { z } from 'zod';
import { NODE_NAME } from '../../shared/api/nodes.ts';
import type { Variable } from './sources/variables.ts';
import { isHost, type ValueReader } from './value-reader.ts';

/** This daemon as a node of a cluster. */
export interface ClusterConfig {
  /** URLs of etcd, without a path. */
  endpoints: readonly string[];
  /** Of the cluster. */
  name: string;
  node: string;
  address: string;
  leaseSeconds: number;
  /** Whether its databases end before its lease is over. */
  isFenced: boolean;
  /** To nodes that have fewer databases for their memory; 0 for none. */
  movesPerHour: number;
  /** Of an empty data directory; null for one of its own. */
  fleetId: string | null;
  /** Paths of files; null for one that is not used. */
  ca: string | null;
  cert: string | null;
  key: string | null;
  /** Null without authentication, as `passwordFile`. */
  user: string | null;
  passwordFile: string | null;
}

/** Null without FATHOM_CLUSTER. */
export function readCluster(read: ValueReader): ClusterConfig | null {
  const urls = read.list('FATHOM_CLUSTER');
  const leaseSeconds = read.wholeNumber('FATHOM_LEASE_SECONDS');
  const movesPerHour = read.wholeNumber('FATHOM_MOVES_PER_HOUR');
  const access = {
    ca: read.path('FATHOM_CLUSTER_CA'),
    cert: read.path('FATHOM_CLUSTER_CERT'),
    key: read.path('FATHOM_CLUSTER_KEY'),
    user: read.text('FATHOM_CLUSTER_USER'),
    passwordFile: read.path('FATHOM_CLUSTER_PASSWORD_FILE'),
  };
  requireBoth(read, 'FATHOM_CLUSTER_CERT', 'FATHOM_CLUSTER_KEY');
  requireBoth(read, 'FATHOM_CLUSTER_USER', 'FATHOM_CLUSTER_PASSWORD_FILE');
  if (urls.length === 0) return null;
  const address = read.text('FATHOM_NODE_ADDRESS') ?? read.host('SERVER_HOST');
  if (!isHost(address))
    read.problem('FATHOM_NODE_ADDRESS', 'is not an IP address or a host name; write it like 10.0.0.1');
  return {
    endpoints: urls.flatMap((url, index) => readEndpoint(read, url, index) ?? []),
    name: readName(read, 'FATHOM_CLUSTER_NAME', read.textOrDefault('FATHOM_CLUSTER_NAME')),
    node: readName(read, 'FATHOM_NODE', read.text('FATHOM_NODE') ?? hostname().toLowerCase()),
    address,
    leaseSeconds,
    isFenced: read.choice('FATHOM_FENCE') === 'on',
    movesPerHour,
    fleetId: readFleetId(read),
    ...access,
  };
}

function readFleetId(read: ValueReader): string | null {
  const id = read.text('FATHOM_FLEET_ID');
  if (id === null || z.uuid().safeParse(id).success) return id;
  read.problem(
    'FATHOM_FLEET_ID',
    "is not a UUID; 'fathomd nodes list --json' shows the id of each node's fleet",
  );
  return null;
}

function readEndpoint(read: ValueReader, text: string, index: number): string | null {
  const url = URL.parse(text);
  const entry = `entry ${index + 1}`;
  if (
    url === null ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.pathname !== '/' ||
    url.search !== ''
  ) {
    read.problem(
      'FATHOM_CLUSTER',
      `${entry} is not the URL of a server; write it like https://10.0.0.1:2379`,
    );
    return null;
  }
  if (url.username !== '' || url.password !== '') {
    read.problem(
      'FATHOM_CLUSTER',
      `${entry} has a user or a password; set FATHOM_CLUSTER_USER and FATHOM_CLUSTER_PASSWORD_FILE`,
    );
    return null;
  }
  return url.origin;
}

function readName(read: ValueReader, variable: Variable, name: string): string {
  if (!NODE_NAME.test(name))
    read.problem(variable, 'is not a name of small letters, digits, - and .; write it like n1');
  return name;
}

function requireBoth(read: ValueReader, first: Variable, second: Variable): void {
  for (const [present, missing] of [
    [first, second],
    [second, first],
  ] as const) {
    if (read.text(present) !== null && read.text(missing) === null)
      read.problem(missing, `is required with ${present}; set both or neither`);
  }
}
