import { expect, it } from 'vitest';
import type { ClusterNode, NodeList } from '../../shared/api/nodes.ts';
import { ago, fleetOf, globalInstance, instance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const MIB = 1024 * 1024;

function node(name: string, changes: Partial<ClusterNode> = {}): ClusterNode {
  return {
    name,
    state: 'online',
    address: `10.0.0.${name.slice(1)}`,
    version: '0.1.0',
    fleet: '0b5c5a38-6a53-4a52-9f0d-0d1f1c1f4e11',
    started_at: ago(3600),
    seen_at: ago(2),
    databases: 12,
    running: 5,
    load_1m: 0.4,
    processors: 4,
    memory_total_bytes: 8192 * MIB,
    memory_free_bytes: 2048 * MIB,
    receiving: [],
    drain: null,
    ...changes,
  };
}

const ETCD = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((host) => ({
  endpoint: `http://${host}:2379`,
  problem: null,
  version: '3.5.21',
}));

const LIST: NodeList = { cluster: 'default', node: 'n1', problem: null, etcd: ETCD, items: [] };

const DRAIN: ClusterNode['drain'] = {
  since: ago(60),
  purpose: 'maintenance',
  control_plane: false,
  progress: { left: 3, moving: 1, failed: 1, problems: [{ name: 'db', message: 'it has uploaded files' }] },
};

it('shows the nodes of a cluster, their drains and etcd, at 80×24', async () => {
  const stub = await daemon([globalInstance(), ...fleetOf(2)]);
  const items = [node('n1'), node('n2', { state: 'offline' }), node('n3', { drain: DRAIN, load_1m: 9.5 })];
  stub.answers.set('/api/v1/nodes', { ...LIST, items });
  const screen = open({ url: stub.url });
  await screen.shows('● live');
  screen.press('9', 'tab', 'tab', 'tab');
  await screen.shows(
    '3 nodes, etcd 3/3 ok',
    /n1 ◂ +● online +\d+ s +0\.4 of 4 +2\.0 G +12 +5 .*10\.0\.0\.1/,
    /n2 +✗ offline +ended/,
    /n3 +▲ drained .*9\.5 of 4/,
  );
  expect(screen.lines.every((line) => line.length <= 80)).toBe(true);
  screen.press('down', 'down');
  await screen.shows('3 databases left, 1 moving, 1 failed', 'it has uploaded files');
});

it('says which server of etcd cannot be used, and why there are no nodes', async () => {
  const stub = await daemon([globalInstance()]);
  const problem = 'connect ECONNREFUSED';
  const etcd = ETCD.map((one, index) => (index === 1 ? { ...one, problem, version: null } : one));
  stub.answers.set('/api/v1/nodes', { ...LIST, etcd, items: [node('n1')] });
  const screen = open({ url: stub.url });
  await screen.shows('● live');
  screen.press('9', 'tab', 'tab', 'tab');
  await screen.shows(
    '1 of 3 servers of etcd not usable',
    'etcd at http://10.0.0.2:2379: connect ECONNREFUSED',
  );
});

it('has a column with the node of each database, in a cluster only', async () => {
  const stub = await daemon([
    globalInstance({ node: 'n1' }),
    instance('2026-11-21-001-anna', { node: 'n1' }),
    instance('2026-11-21-002-bert', { node: 'n2', pid: null, usage: null, probe: null }),
  ]);
  const screen = open({ url: stub.url }, { columns: 120 });
  await screen.shows('● live');
  screen.press('2');
  await screen.shows(/NAME.* NODE .*PHASE/, /2026-11-21-002-bert .* n2 +running/);

  const single = open({ url: (await daemon([globalInstance(), ...fleetOf(1)])).url }, { columns: 120 });
  await single.shows('● live');
  single.press('2');
  await single.shows('PHASE');
  expect(single.lines.join('\n')).not.toContain('NODE');
});
