import type { RecordModel } from 'pocketbase';
import type { AuditEntry } from '../../shared/audit.ts';
import type { ControlPlaneClient } from '../control-plane/client.ts';
import { type AuditHead, type AuditRow, EMPTY_CHAIN } from './audit-chain.ts';

export interface AuditQuery {
  page: number;
  perPage: number;
  action?: string | undefined;
  actor?: string | undefined;
  target?: string | undefined;
  outcome?: string | undefined;
}

/** The audit log as the global PocketBase keeps it. */
export class AuditRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  /** All of them, or none. */
  async append(rows: readonly AuditRow[]): Promise<void> {
    await this.#client.call((client) => client.send('/api/fathom/audit', { method: 'POST', body: { rows } }));
  }

  async head(): Promise<AuditHead> {
    const { items } = await this.#client.call((client) =>
      client.collection('audit_log').getList(1, 1, { sort: '-seq', skipTotal: true }),
    );
    const [last] = items;
    return last ? { seq: Number(last['seq']), hash: String(last['hash']) } : EMPTY_CHAIN;
  }

  /** The newest first. */
  async list(query: AuditQuery): Promise<{ items: AuditEntry[]; total: number }> {
    const { page, perPage, action, actor, target, outcome } = query;
    const wanted = Object.entries({ action, actor, target, outcome }).filter(
      ([, value]) => value !== undefined,
    );
    const { items, totalItems } = await this.#client.call((client) =>
      client.collection('audit_log').getList(page, perPage, {
        sort: '-seq',
        filter: wanted.map(([field, value]) => client.filter(`${field} = {:value}`, { value })).join(' && '),
      }),
    );
    return { items: items.map(toRow).map(entryOf), total: totalItems };
  }

  /** In order. */
  async after(seq: number, limit: number): Promise<AuditRow[]> {
    const { items } = await this.#client.call((client) =>
      client.collection('audit_log').getList(1, limit, {
        sort: 'seq',
        filter: client.filter('seq > {:seq}', { seq }),
        skipTotal: true,
      }),
    );
    return items.map(toRow);
  }
}

export function entryOf(row: AuditRow): AuditEntry {
  const { seq, at, actor_kind, actor, address, action, target, outcome, detail, request_id } = row;
  return { seq, at, actor_kind, actor, address, action, target, outcome, detail, request_id };
}

function toRow(record: RecordModel): AuditRow {
  const text = (field: string) => String(record[field] ?? '');
  return {
    seq: Number(record['seq']),
    at: text('at'),
    actor_kind: text('actor_kind') as AuditEntry['actor_kind'],
    actor: text('actor'),
    address: text('address'),
    action: text('action'),
    target: text('target'),
    outcome: text('outcome') as AuditEntry['outcome'],
    detail: text('detail'),
    request_id: text('request_id'),
    previous: text('previous'),
    hash: text('hash'),
  };
}
