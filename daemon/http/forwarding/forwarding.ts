import type { Answerer } from '../../../shared/api/contract/endpoint.ts';
import type { Clock } from '../../base/time/clock.ts';
import { deriveKey } from '../../keys/derived-keys.ts';
import type { PassKey } from '../../keys/node-pass.ts';

/** The other nodes of the cluster, for requests that one of them answers. */
export interface Forwarding {
  passKey: PassKey;
  clock: Clock;
  /** The node that answers a request; null for this one. */
  nodeFor(answerer: Answerer, params: Readonly<Record<string, unknown>>): string | null;
  /** Where the API of a node is. @throws FathomError `cluster.unavailable`, `conflict` */
  locate(node: string): Promise<{ address: string; port: number }>;
  /** Whether a node has this address. Many clients share it. */
  isNode(address: string): boolean;
}

export interface ForwardingDeps {
  share: {
    readonly self: { node: string; fleet: string };
    readonly leader: { node: string } | null;
    /** The other node that runs a database. */
    elsewhere(name: string): { node: string } | null;
    apiOf(node: string): Promise<{ address: string; port: number }>;
    isNode(address: string): boolean;
  };
  catalog: {
    findByUser(userId: string): unknown;
    elsewhere: { findByUser(userId: string): { row: { name: string } } | null };
  };
  jwt: { secret: Uint8Array };
  clock: Clock;
}

export function createForwarding({ share, catalog, jwt, clock }: ForwardingDeps): Forwarding {
  const ofDatabase = (name: string) => share.elsewhere(name)?.node ?? null;
  const ofAccount = (id: string) => {
    if (catalog.findByUser(id) !== null) return null;
    const other = catalog.elsewhere.findByUser(id);
    return other === null ? (share.leader?.node ?? null) : ofDatabase(other.row.name);
  };
  return {
    passKey: { ...share.self, key: deriveKey(jwt.secret, 'node-pass', 32) },
    clock,
    nodeFor(answerer, { name, id }) {
      if (answerer === 'leader') return share.leader?.node ?? null;
      if (answerer === 'database') return ofDatabase(String(name));
      return answerer === 'account' ? ofAccount(String(id)) : null;
    },
    locate: (node) => share.apiOf(node),
    isNode: (address) => share.isNode(address),
  };
}
