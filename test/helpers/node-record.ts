import type { NodeRecord } from '../../daemon/cluster/records.ts';

/** What a node publishes that serves a fleet and has no databases. */
export function nodeRecord(node: string, at: Date, change: Partial<NodeRecord> = {}): NodeRecord {
  return {
    node,
    machine: node,
    boot: node,
    fleet: 'f',
    address: '10.0.0.1',
    version: '1.0.0',
    started_at: at.toISOString(),
    at: at.toISOString(),
    takeover: true,
    serves: true,
    secrets: 's',
    databases: 0,
    running: 0,
    load_1m: 0,
    processors: 1,
    memory_total_bytes: 8,
    memory_free_bytes: 4,
    ...change,
  };
}
