/** One line of the audit log. */
export interface AuditEntry {
  /** Counts on by one, from 1. */
  seq: number;
  at: string;
  /** `local` is whoever could open the local socket. */
  actor_kind: 'local' | 'session' | 'key' | 'anonymous' | 'superuser';
  /** A user's id; the e-mail address of a superuser of the global PocketBase. */
  actor: string;
  address: string;
  /** For example `database.stop`. */
  action: string;
  target: string;
  outcome: 'ok' | 'refused' | 'failed';
  detail: string;
  request_id: string;
}

/** What `fathomd audit verify` finds. */
export interface AuditVerification {
  ok: boolean;
  /** Rows that were read. */
  checked: number;
  /** The first thing that is wrong, in a sentence. */
  problem: string | null;
}
