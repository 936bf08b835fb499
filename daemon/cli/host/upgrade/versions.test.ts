import { expect, it } from 'vitest';
import type { ClusterNode } from '../../../../shared/api/nodes.ts';
import { versionNotes } from './versions.ts';

const node = (name: string, version: string, change: Partial<ClusterNode> = {}) =>
  ({ name, version, fleet: 'f', state: 'online', ...change }) as ClusterNode;

it('names the nodes of the fleet with an earlier version', () => {
  const items = [node('n1', '0.10.0'), node('n2', '0.9.0'), node('n3', '0.10.0'), node('n4', '0.2.0')];
  expect(versionNotes({ node: 'n1', items })).toEqual([
    expect.stringContaining('than 0.10.0: n2 (0.9.0), n4 (0.2.0);'),
  ]);
});

it('says nothing when all nodes of the fleet that are online have the same version', () => {
  const others = [node('n2', '0.1.0', { state: 'offline' }), node('n3', '0.3.0', { fleet: 'g' })];
  expect(versionNotes({ node: 'n1', items: [node('n1', '0.2.0'), ...others] })).toEqual([]);
});
