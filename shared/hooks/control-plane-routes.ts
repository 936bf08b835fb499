import type { DatabaseAccessLevel } from '../access.ts';
import type { Role } from '../api/accounts/permissions.ts';
import type { AuditEntry } from '../api/audit.ts';

// Requests and responses of the routes that `pb_hooks/global` adds to the global PocketBase for the daemon.

/** A row of `user_databases`: the desired state. */
export interface DatabaseRow {
  id: string;
  name: string;
  /** Id of the owner. */
  user: string;
  state: 'provisioning' | 'ready' | 'deleting' | 'trashed';
  desired: 'running' | 'stopped';
  /** The port that belongs to the database, also while it is stopped; 0 when it gets one with the next start. */
  port: number;
  /** Limits in MiB; 0 for the default of the daemon. */
  memory_mb: number;
  disk_mb: number;
  /** Minutes without use after which the database sleeps: 0 for the time of the plan, -1 for never. */
  sleep_after: number;
  /** Whether the edge lets superusers of the database through. */
  developer: boolean;
  /** What the owner may use; empty for OWNER_ACCESS. Absent in rows of earlier releases. */
  access?: DatabaseAccessLevel | '';
  /** The version of PocketBase that the database is pinned to; empty for that of the fleet. */
  pocketbase_version: string;
  /** Its applications, like `documents,shop`. Absent or empty in rows of earlier releases. */
  applications?: string;
  /** Name of the plan of the owner; empty for the default one. Absent in records of `user_databases`. */
  plan?: string;
  /** Fathom's superuser secret of the instance, in an envelope. */
  superuser_secret: string;
  created: string;
  /** When it is erased; only in records of `user_databases`. */
  erase_at?: string;
}

export type DatabaseRowChange = Partial<
  Pick<
    DatabaseRow,
    | 'state'
    | 'desired'
    | 'memory_mb'
    | 'disk_mb'
    | 'sleep_after'
    | 'developer'
    | 'access'
    | 'pocketbase_version'
    | 'applications'
  >
>;

/** A database in the trash. Times are in PocketBase's form. */
export interface TrashedDatabase extends Pick<DatabaseRow, 'id' | 'name' | 'user' | 'port'> {
  /** Of the owner; null when the account cannot be read. */
  email: string | null;
  deleted_at: string;
  erase_at: string;
  /** The account was deleted with it, and comes back with it. */
  with_account: boolean;
  /** The owner may bring it back. */
  deleted_by_owner: boolean;
}

export interface TrashRequest {
  /** Of the row. */
  id: string;
  deleted_at: string;
  erase_at: string;
  with_account: boolean;
  by_owner: boolean;
}

/** A row of `backup_erasures`. */
export interface BackupErasure {
  id: string;
  database: string;
  account: boolean;
  requested: string;
}

/** All rows of `user_databases` that are not in the trash, or those that changed since a time. */
export interface DatabaseList {
  /** `at`: the time of the control plane before the rows were read. `count`: of all rows. */
  state: { at: string; count: number };
  rows: DatabaseRow[];
  /** By id. Without those that cannot be read. */
  owners: Record<string, { email: string; plan: string }>;
}

export interface OwnerRow {
  id: string;
  email: string;
  name: string;
  verified: boolean;
  password_hash: string;
  token_epoch: string;
}

/** The account of an owner, as it is copied to the owner's database. */
export interface OwnerAccount {
  /** Name of the database. */
  database: string;
  id: string;
  email: string;
  verified: boolean;
  is_active: boolean;
  /** bcrypt. */
  password_hash: string;
  /** Changes whenever all tokens of the account end: new password or address, deactivation, sign-out everywhere. */
  token_epoch: string;
}

export interface OwnerList {
  databases: [name: string, user: string][];
  /** By id. `token_epoch` is a hash of the key. */
  owners: Record<string, Omit<OwnerAccount, 'database' | 'token_epoch'> & { token_key: string }>;
}

/** In a new account of the daemon: its password was judged. No field can have this name. */
export const STRONG_PASSWORD = '@strong_password';

/** Fields of a new account, those that an administrator has added included. */
export interface CreateUserRequest {
  email: string;
  password: string;
  passwordConfirm: string;
  name: string;
  role: Role;
  plan?: string;
  is_active: boolean;
  verified: boolean;
  /** Token of an invitation, as the client sent it. */
  invitation?: unknown;
  [STRONG_PASSWORD]?: boolean;
}

/** Fills in the applications of rows that have none. */
export interface ApplicationsRequest {
  applications: string;
}

export interface ReserveRequest {
  /** Id of the owner. */
  user: string;
  /** The part of the name that comes from the e-mail address. */
  username: string;
  /** YYYY-MM-DD. */
  day: string;
  superuser_secret: string;
  /** The applications of a new database. */
  applications: string;
  /** The port of a new database, unless another row names it. */
  port: number;
  /** An account gets a database only after its address is proved. */
  require_verified: boolean;
  /** Of the fleet; null without a limit. */
  max_databases: number | null;
  /** Opened in the same transaction. */
  session?: OpenSessionRequest;
}

/** Databases whose provisioning has ended. */
export interface DatabasesReadyRequest {
  ids: string[];
}

export interface Reservation {
  /** False when the user had a database already. */
  created: boolean;
  database: DatabaseRow;
  owner: OwnerRow;
}

/** Finds a session or an API key by its hash or its id. `user`: an account to return even when the session has ended. */
export type ResolveRequest =
  | { kind: 'session' | 'key'; hash: string; user?: string }
  | { kind: 'session' | 'key'; id: string };

export interface ResolvedIdentity {
  /** Id of the session or key; null when it has ended. */
  id: string | null;
  /** Of a key: the earliest end of the key and the keys that it was made with. */
  expires_at: string | null;
  /** Null for a session. */
  permissions: unknown;
  /** The roles that limit a key; null for a session. */
  roles: unknown;
  /** Ids of the users of the session or key, and of the keys that the key was made with. */
  owners: string[];
  /** Null when the account was deleted. */
  user: { id: string; email: string; role: Role; is_active: boolean } | null;
}

export interface OpenSessionRequest {
  hash: string;
  /** Id of the user. */
  user: string;
  user_agent: string;
  address: string;
  expires_at: string;
  /** Sessions that the user may have; null is no limit. */
  limit: number | null;
}

export interface RenewSessionRequest {
  /** Hash of the token that ends. */
  old: string;
  hash: string;
  user_agent: string;
  address: string;
  expires_at: string;
}

/** The last addresses of the sessions of each account. */
export interface SessionAddresses {
  addresses: { email: string; address: string }[];
}

export interface EndSessionsRequest {
  user: string;
  /** Whether API keys end as well. */
  keys: boolean;
}

export interface KeyUsedRequest {
  id: string;
  /** In PocketBase's form. */
  at: string;
}

/** Mails with a link that proves the address of an account. */
export type AccountMail = 'verification' | 'password_reset';

export interface SendMailRequest {
  /** Id of the user. */
  user: string;
  kind: AccountMail;
}

export interface MessageRequest {
  to: readonly string[];
  subject: string;
  html: string;
  text: string;
}

/** `problem`: why the mail was not sent; null if the mail server took it. */
export interface SendMailResult {
  problem: string | null;
}

/** A row of the audit log, with its place in the chain. */
export interface AuditRow extends AuditEntry {
  /** Hash of the row before. */
  previous: string;
  hash: string;
}

export interface AppendAuditRequest {
  rows: readonly AuditRow[];
}

/** Rows that are in the archive. The last row of the table stays. */
export interface RemoveAuditRequest {
  rows: readonly Pick<AuditRow, 'seq' | 'hash'>[];
}

export interface StoredSecrets {
  /** Tables with envelopes. */
  collections: string[];
  /** Number of envelopes per table and master key. */
  counts: { collection: string; key_id: string; count: number }[];
}

export interface StoredEnvelope {
  id: string;
  /** The secret that the envelope is bound to. */
  belongs_to: string;
  envelope: string;
}

export interface OutdatedRequest {
  /** The last id of the page before. */
  after: string;
  limit: number;
  /** Prefix of the envelopes that are up to date. */
  current: string;
}

export interface ReplaceRequest {
  id: string;
  old: string;
  fresh: string;
}
