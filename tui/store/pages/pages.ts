import type { ApiKey } from '../../../shared/api/accounts/api-keys.ts';
import type { SessionRow } from '../../../shared/api/accounts/sessions.ts';
import type { User } from '../../../shared/api/accounts/users.ts';
import type { AuditEntry } from '../../../shared/api/audit.ts';
import type { Page } from '../../../shared/api/contract/page.ts';
import type { DaemonLogLine, DoctorReport } from '../../../shared/api/daemon.ts';
import type { Collection, DatabaseRecord } from '../../../shared/api/databases.ts';
import type { JournalEntry } from '../../../shared/api/events.ts';
import type { Probe } from '../../../shared/api/instances.ts';
import type { DeadGroup, Task, TaskSummary } from '../../../shared/api/queue.ts';
import type { Topic } from '../../../shared/events.ts';
import type { FleetCommands } from '../actions/actions.ts';
import type { Latest } from './latest.ts';

/** What is asked for over HTTP while a screen shows it; of each kind only one is held. */
export interface PageValues {
  tasks: Latest<TaskSummary>;
  task: Task;
  failures: readonly DeadGroup[];
  collections: readonly Collection[];
  records: Page<DatabaseRecord>;
  /** The newest last. */
  journal: Latest<JournalEntry>;
  audit: Latest<AuditEntry>;
  probes: readonly Probe[];
  users: Latest<User>;
  keys: Latest<ApiKey>;
  sessions: Latest<SessionRow>;
  doctor: DoctorReport;
  daemonLog: readonly DaemonLogLine[];
}

export type Slot = keyof PageValues;

interface RequestOf<S extends Slot> {
  slot: S;
  /** What it is about; another key leaves nothing of the one before. */
  key: string;
  /** A new one reads the same again, while the old value stays in view. */
  version?: string;
  /** Milliseconds between two readings, where they cost more than others. */
  restMs?: number;
  load(commands: FleetCommands): Promise<PageValues[S]>;
}

export type PageRequest = { [S in Slot]: RequestOf<S> }[Slot];

/** What a screen shows beyond the fleet itself; held up to date while it is looked at, and no longer. */
export interface DataNeeds {
  /** Instances whose logs are read. */
  logs?: readonly string[];
  topics?: readonly Topic[];
  pages?: readonly PageRequest[];
}

export const NO_NEEDS: DataNeeds = {};

export interface PageState<T = unknown> {
  key: string;
  /** Null until it has been read once. */
  value: T | null;
  /** Why the last reading failed, in a sentence; null when it did not. */
  error: string | null;
}

export type Pages = { readonly [S in Slot]?: PageState<PageValues[S]> };

/** The page under this key, whether or not it has come yet; null before it was asked for. */
export function pageOf<S extends Slot>(
  { pages }: { pages: Pages },
  slot: S,
  key: string,
): PageState<PageValues[S]> | null {
  const page = pages[slot];
  return page?.key === key ? page : null;
}
