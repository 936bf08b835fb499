import type { ApiKey } from '../../../shared/api/accounts/api-keys.ts';
import type { Invitation } from '../../../shared/api/accounts/invitations.ts';
import type { SessionRow } from '../../../shared/api/accounts/sessions.ts';
import type { User } from '../../../shared/api/accounts/users.ts';
import type { AuditEntry } from '../../../shared/api/audit.ts';
import type { DatabaseBackups, ListedBackup } from '../../../shared/api/backups.ts';
import type { Page } from '../../../shared/api/contract/page.ts';
import type { DaemonLogLine, DoctorReport } from '../../../shared/api/daemon.ts';
import type { Collection, DatabaseRecord } from '../../../shared/api/databases.ts';
import type { JournalEntry } from '../../../shared/api/events.ts';
import type { Probe } from '../../../shared/api/instances.ts';
import type { NodeList } from '../../../shared/api/nodes.ts';
import type { DeadGroup, Task, TaskSummary } from '../../../shared/api/queue.ts';
import type { ReplicaTimes } from '../../../shared/api/replicas.ts';
import type { DeletedDatabase } from '../../../shared/api/trash.ts';
import type { UsageHistory } from '../../../shared/api/usage.ts';
import type { Topic } from '../../../shared/events.ts';
import type { FleetCommands } from '../actions/actions.ts';
import type { Latest } from './latest.ts';

/** Data that is loaded over HTTP while a screen shows it. Only one page of each kind is kept. */
export interface PageValues {
  tasks: Latest<TaskSummary>;
  task: Task;
  failures: readonly DeadGroup[];
  collections: readonly Collection[];
  records: Page<DatabaseRecord>;
  /** Newest last. */
  journal: Latest<JournalEntry>;
  audit: Latest<AuditEntry>;
  probes: readonly Probe[];
  usage: UsageHistory;
  backupFleet: Latest<DatabaseBackups>;
  /** Newest first. */
  backups: readonly ListedBackup[];
  /** Null for a database that is unknown to the backups. */
  backupState: DatabaseBackups | null;
  replicaTimes: ReplicaTimes;
  trash: Latest<DeletedDatabase>;
  users: Latest<User>;
  keys: Latest<ApiKey>;
  sessions: Latest<SessionRow>;
  invitations: Latest<Invitation>;
  doctor: DoctorReport;
  daemonLog: readonly DaemonLogLine[];
  nodes: NodeList;
}

export type Slot = keyof PageValues;

interface RequestOf<S extends Slot> {
  slot: S;
  /** Identifies the data. A new key discards the old value. */
  key: string;
  /** A new version loads the data again. The old value stays visible until then. */
  version?: string;
  /** Milliseconds between two requests. */
  intervalMs?: number;
  load(commands: FleetCommands): Promise<PageValues[S]>;
}

export type PageRequest = { [S in Slot]: RequestOf<S> }[Slot];

/** Data that a screen needs in addition to the instances. It is kept up to date while the screen is shown. */
export interface DataNeeds {
  /** Names of the instances whose logs are followed. */
  logs?: readonly string[];
  topics?: readonly Topic[];
  pages?: readonly PageRequest[];
}

export const NO_NEEDS: DataNeeds = {};

export interface PageState<T = unknown> {
  key: string;
  /** Null until it is loaded. */
  value: T | null;
  /** Why the last request failed, as a sentence; null if it succeeded. */
  error: string | null;
}

export type Pages = { readonly [S in Slot]?: PageState<PageValues[S]> };

/** The page with this key, loaded or not; null if it was not requested. */
export function pageOf<S extends Slot>(
  { pages }: { pages: Pages },
  slot: S,
  key: string,
): PageState<PageValues[S]> | null {
  const page = pages[slot];
  return page?.key === key ? page : null;
}
