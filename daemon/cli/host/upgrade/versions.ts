import type { NodeList } from '../../../../shared/api/nodes.ts';
import { compareVersions } from '../../../../shared/version.ts';

/** Says which nodes of the fleet have an earlier version of Fathom than others; empty when all have the same. */
export function versionNotes({ node: name, items }: Pick<NodeList, 'node' | 'items'>): string[] {
  const fleet = items.find((node) => node.name === name)?.fleet;
  const online = items.filter((node) => node.state === 'online' && node.fleet === fleet);
  const [newest] = online.map(({ version }) => version).toSorted((a, b) => compareVersions(b, a));
  const older = online.filter(({ version }) => version !== newest);
  if (older.length === 0) return [];
  const list = older.map((node) => `${node.name} (${node.version})`).join(', ');
  return [
    `nodes with an earlier version of Fathom than ${newest}: ${list}; run 'fathomd upgrade TARBALL --cluster' there, one after the other`,
  ];
}
