import type { RecordModel } from 'pocketbase';
import type { AuditEntry } from '../../shared/api/audit.ts';
import type { Page, PageRequest } from '../../shared/api/contract/page.ts';
import type {
  AppendAuditRequest,
  AuditRow,
  RemoveAuditRequest,
} from '../../shared/hooks/control-plane-routes.ts';
import type { ControlPlaneClient } from '../control-plane/client.ts';
import { listRecords } from '../control-plane/records.ts';
import { type AuditHead, EMPTY_CHAIN } from './audit-chain.ts';

export interface AuditQuery extends PageRequest {
  action?: string | undefined;
  actor?: string | undefined;
  target?: string | undefined;
  outcome?: string | undefined;
}

/** The audit log in the global PocketBase. */
export class AuditRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  /** Adds the rows in one transaction. */
  async append(rows: readonly AuditRow[]): Promise<void> {
    const body: AppendAuditRequest = { rows };
    await this.#client.post('/api/fathom/audit', body);
  }

  /** Removes archived rows in one transaction, except the last row of the table. */
  async removeArchived(rows: readonly AuditRow[]): Promise<void> {
    const body: RemoveAuditRequest = { rows: rows.map(({ seq, hash }) => ({ seq, hash })) };
    await this.#client.post('/api/fathom/audit/archived', body);
  }

  async readHead(): Promise<AuditHead> {
    const { items } = await this.#client.call((client) =>
      client.collection('audit_log').getList(1, 1, { sort: '-seq', skipTotal: true }),
    );
    const [last] = items;
    return last ? { seq: Number(last['seq']), hash: String(last['hash']) } : EMPTY_CHAIN;
  }

  /** Lists entries, the newest first. */
  list({ page, per_page, action, actor, target, outcome }: AuditQuery): Promise<Page<AuditEntry>> {
    const filters = Object.entries({ action, actor, target, outcome }).filter(
      ([, value]) => value !== undefined,
    );
    return this.#client.call((client) => {
      const conditions = filters.map(([field, value]) => client.filter(`${field} = {:value}`, { value }));
      const options = { sort: '-seq', filter: conditions.join(' && ') };
      return listRecords(client.collection('audit_log'), { page, per_page }, options, (record) =>
        toEntry(toRow(record)),
      );
    });
  }

  /** Lists rows after `seq`, the oldest first. */
  async listAfter(seq: number, limit: number): Promise<AuditRow[]> {
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

/** Removes the hashes of the chain. */
export function toEntry(row: AuditRow): AuditEntry {
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
