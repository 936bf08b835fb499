/** One line of the audit log. */
export interface AuditEntry {
  /** Sequence number: 1 for the first entry, then one more for each. */
  seq: number;
  at: string;
  /** `local`: the request came through the local socket. */
  actor_kind: 'local' | 'session' | 'key' | 'anonymous' | 'superuser';
  /** The id of a user, or the e-mail address of a superuser of the global PocketBase. */
  actor: string;
  address: string;
  /** For example `database.stop`. */
  action: string;
  target: string;
  outcome: 'ok' | 'refused' | 'failed';
  detail: string;
  request_id: string;
}

/** The result of `fathomd audit verify`. */
export interface AuditVerification {
  ok: boolean;
  /** Number of entries that were read. */
  checked: number;
  /** The first error that was found, as a sentence. */
  problem: string | null;
}
