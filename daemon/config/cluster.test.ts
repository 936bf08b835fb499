import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { settingProblems } from '../../test/helpers/setting-problems.ts';
import { loadConfig } from './config.ts';
import { generateSecret } from './sources/secrets-file.ts';
import { GENERATED_SECRETS } from './sources/variables.ts';

const SECRETS = Object.fromEntries(GENERATED_SECRETS.map((name) => [name, generateSecret(name)]));
const CLUSTER = { FATHOM_CLUSTER: 'http://10.0.0.1:2379', FATHOM_NODE: 'n1' };

const load = (env: Record<string, string>) =>
  loadConfig({ commandLine: {}, env: { ...SECRETS, ...env }, cwd: '/srv' }).config.cluster;

const problemsOf = (env: Record<string, string>) => settingProblems(() => load(env));

describe('settings of a cluster', () => {
  it('are off by default', () => {
    expect(load({})).toBeNull();
    expect(load({ FATHOM_NODE: 'n1', FATHOM_CLUSTER: ' , ' })).toBeNull();
  });

  it('are read', () => {
    expect(
      load({
        FATHOM_CLUSTER: 'https://10.0.0.1:2379, https://[fd00::2]:2379/',
        FATHOM_CLUSTER_NAME: 'west',
        FATHOM_NODE: 'n1.example.com',
        FATHOM_NODE_ADDRESS: '10.0.0.7',
        FATHOM_LEASE_SECONDS: '20',
        FATHOM_FENCE: 'on',
        FATHOM_MOVES_PER_HOUR: '6',
        FATHOM_CLUSTER_CA: 'ca.crt',
        FATHOM_CLUSTER_CERT: '/etc/n1.crt',
        FATHOM_CLUSTER_KEY: '/etc/n1.key',
        FATHOM_CLUSTER_USER: 'fathom',
        FATHOM_CLUSTER_PASSWORD_FILE: '/etc/password',
      }),
    ).toEqual({
      endpoints: ['https://10.0.0.1:2379', 'https://[fd00::2]:2379'],
      name: 'west',
      node: 'n1.example.com',
      address: '10.0.0.7',
      leaseSeconds: 20,
      isFenced: true,
      movesPerHour: 6,
      fleetId: null,
      ca: '/srv/ca.crt',
      cert: '/etc/n1.crt',
      key: '/etc/n1.key',
      user: 'fathom',
      passwordFile: '/etc/password',
    });
  });

  it('have defaults of the host', () => {
    expect(load({ FATHOM_CLUSTER: 'http://10.0.0.1:2379', SERVER_HOST: '10.0.0.9' })).toMatchObject({
      name: 'default',
      node: hostname().toLowerCase(),
      address: '10.0.0.9',
      leaseSeconds: 15,
      movesPerHour: 0,
      ca: null,
      user: null,
    });
  });

  it.each([
    [{ FATHOM_CLUSTER: '10.0.0.1:2379' }, /^FATHOM_CLUSTER: entry 1 is not the URL of a server/],
    [{ FATHOM_CLUSTER: 'http://a:1,ftp://b' }, /^FATHOM_CLUSTER: entry 2 is not the URL/],
    [{ FATHOM_CLUSTER: 'http://a:1/v3' }, /entry 1 is not the URL/],
    [{ FATHOM_CLUSTER: 'http://root:hidden@a:1' }, /entry 1 has a user or a password/],
    [{ FATHOM_NODE: 'N 1' }, /^FATHOM_NODE: is not a name/],
    [{ FATHOM_NODE: '../n1' }, /^FATHOM_NODE: is not a name/],
    [{ FATHOM_NODE: 'é' }, /^FATHOM_NODE: is not a name/],
    [{ FATHOM_CLUSTER_NAME: 'a/b' }, /^FATHOM_CLUSTER_NAME: is not a name/],
    [{ FATHOM_NODE_ADDRESS: 'http://10.0.0.1' }, /^FATHOM_NODE_ADDRESS: is not an IP address/],
    [{ FATHOM_LEASE_SECONDS: '4' }, /^FATHOM_LEASE_SECONDS: '4' is not a whole number from 5/],
    [{ FATHOM_CLUSTER_CERT: '/a' }, /^FATHOM_CLUSTER_KEY: is required with FATHOM_CLUSTER_CERT/],
    [{ FATHOM_CLUSTER_PASSWORD_FILE: '/a' }, /^FATHOM_CLUSTER_USER: is required with/],
  ])('refuses %o', (env, message) => {
    const problems = problemsOf({ ...CLUSTER, ...env });
    expect(problems).toEqual([expect.stringMatching(message)]);
    expect(problems.join()).not.toContain('hidden');
  });
});
