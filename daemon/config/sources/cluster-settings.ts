import type { Setting } from './setting.ts';

/** Settings of several servers; a part of `SETTINGS`. */
export const CLUSTER_SETTINGS = {
  FATHOM_CLUSTER: {
    type: 'list',
    group: 'cluster',
    about:
      'URLs of the servers of etcd, like https://10.0.0.1:2379,https://10.0.0.2:2379. The daemon becomes a node of the cluster ' +
      'and starts only databases that it owns there. Without it, there is no cluster.',
  },
  FATHOM_CLUSTER_NAME: {
    type: 'text',
    group: 'cluster',
    about: 'Name of the cluster: several can use one etcd. All nodes have the same.',
    default: 'default',
  },
  FATHOM_NODE: {
    type: 'text',
    group: 'cluster',
    about: 'Name of this node: small letters, digits, - and . only. Without it: the name of the host.',
  },
  FATHOM_NODE_ADDRESS: {
    type: 'text',
    group: 'cluster',
    about:
      'Address or host name at which other servers reach this one. Without it: SERVER_HOST. It is shown in the list of nodes.',
  },
  FATHOM_LEASE_SECONDS: {
    type: 'number',
    group: 'cluster',
    about: 'Time after which a node that does not answer is offline.',
    default: 15,
    min: 5,
    max: 300,
    unit: 'seconds',
  },
  FATHOM_FENCE: {
    type: 'choice',
    group: 'cluster',
    about:
      'on: a node that cannot renew its lease in etcd ends its databases before the lease is over. They start again with ' +
      'the next lease. off: they run on.',
    default: 'off',
    choices: ['on', 'off'],
  },
  FATHOM_MOVES_PER_HOUR: {
    type: 'number',
    group: 'cluster',
    about:
      'Databases that this node moves in an hour to nodes that have fewer for their memory. It moves those that were not used for ' +
      '10 minutes. 0: none.',
    default: 0,
    min: 0,
    max: 3600,
  },
  FATHOM_FLEET_ID: {
    type: 'text',
    group: 'cluster',
    about:
      "Id of the fleet of another node, see 'fathomd nodes list --json'. A node with an empty data directory becomes a member of " +
      'this fleet, and takes it over when the other one is lost.',
  },
  FATHOM_CLUSTER_CA: {
    type: 'path',
    group: 'cluster',
    about: 'File with the certificates that sign those of etcd, in PEM. Without it: those that Node trusts.',
  },
  FATHOM_CLUSTER_CERT: {
    type: 'path',
    group: 'cluster',
    about: 'File with the certificate of this client of etcd, in PEM. Needs FATHOM_CLUSTER_KEY.',
  },
  FATHOM_CLUSTER_KEY: {
    type: 'path',
    group: 'cluster',
    about: 'File with the private key of FATHOM_CLUSTER_CERT, in PEM.',
  },
  FATHOM_CLUSTER_USER: {
    type: 'text',
    group: 'cluster',
    about: 'User of etcd, which may read and write keys below /fathom/. Needs FATHOM_CLUSTER_PASSWORD_FILE.',
  },
  FATHOM_CLUSTER_PASSWORD_FILE: {
    type: 'path',
    group: 'cluster',
    about: 'File with the password of FATHOM_CLUSTER_USER.',
  },
} as const satisfies Record<string, Setting>;
