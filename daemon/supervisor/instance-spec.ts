import type { DatabaseAccessLevel } from '../../shared/access.ts';
import type { InstanceLimits, PhaseReason } from '../../shared/api/instances.ts';
import type { Binary } from '../pocketbase/binary/binary.ts';
import type { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import { RequestLog } from '../pocketbase/logs/request-log.ts';

/** A database is not started, because it would not be as it should. */
export class StartRefused extends Error {
  readonly reason: PhaseReason;

  constructor(reason: PhaseReason) {
    super(reason.message);
    this.reason = reason;
  }
}

/** The desired properties of an instance. */
export interface InstanceSpec {
  name: string;
  kind: 'global' | 'user';
  userId: string | null;
  email: string | null;
  createdAt: string;
  /** The directory of the instance, which contains PocketBase's `pb_data`. */
  directory: string;
  log: InstanceLog;
  /** The executable of the next start. Not verified when `binaryProblem` has not been called, or has found a problem. */
  binary: Binary;
  /** The version that an administrator has pinned it to; null for that of the fleet. */
  pinnedVersion: string | null;
  host: string;
  /** An instance waits for a fixed port. A preferred port is the start of a search. */
  port: { fixed: number } | { preferred: number };
  /** The migrations that PocketBase applies at its start; null when `prepare` applies them. */
  migrationsDir: string | null;
  /** Hooks that it always loads. */
  hooksDir: string | null;
  /** Static files that it serves. */
  publicDir: string | null;
  hooksPool: number;
  environment: Record<string, string>;
  /** Its files are in a backup only, until `bringBack`; null when it has files. */
  archived(): PhaseReason | null;
  /**
   * Brings archived files back before a start, until the signal aborts. Resolves with the reason why they do not come back, else
   * with null.
   */
  bringBack(signal: AbortSignal): Promise<PhaseReason | null>;
  /** Why no process can start from its executable; null when one can. */
  binaryProblem(): Promise<PhaseReason | null>;
  /** The version of a known executable with this SHA-256; null when it is not known. */
  versionOf(sha256: string): string | null;
  /**
   * Updates its files before a start, until the signal aborts. Resolves with the reason why some migrations are not
   * applied, else with null.
   *
   * @throws StartRefused
   */
  prepare(signal: AbortSignal): Promise<PhaseReason | null>;
  /** Called when the process has opened another `data.db`, as after PocketBase's own restore. */
  onReplaced(): void;
  /** Whether it has run before, also with an earlier daemon. */
  hasServed(): boolean;
  /** The URL for users. */
  publicUrl(port: number): string;
  /** Authorization of the probe that reads the database; null only probes whether the process serves. */
  probeAuthorization: (() => string | Promise<string>) | null;
  /**
   * Stores a port before the process listens on it. False when the row of another database names it. Never rejects: without
   * the control plane, the port is stored later.
   */
  savePort(port: number): Promise<boolean>;
  /** Called when the instance runs, with its port. */
  onPort(port: number): void;
  /** The limits in force now. */
  limits(): InstanceLimits;
  /** The time without use after which it sleeps; null without one. */
  sleepAfterMs(): number | null;
  /** Whether it never sleeps by itself, also while more databases than MAX_AWAKE are awake. */
  staysAwake(): boolean;
  /** Whether PocketBase has jobs at fixed times, such as backups of its own, which need a process. Reads its files. */
  hasOwnJobs(): boolean;
  /** Whether the edge lets superusers of the database through. */
  isDeveloper(): boolean;
  /** What the owner may use in the database. */
  access(): DatabaseAccessLevel;
  /** Whether a process may start from its files as they are: they are those of its access, and its hooks are there. */
  isPrepared(): boolean;
  /** Names of its applications. */
  applications(): string[];
  /** The TCP ports that its process may connect to; null for all. */
  connectPorts(): number[] | null;
}

/** A file that is locked while an instance runs on the directory. */
export function lockFileOf(directory: string): string {
  return `${directory}/lock`;
}

/** A file that exists after the first run of the global instance. From then on, missing data is an error. */
export function hasRunMarkerOf(directory: string): string {
  return `${directory}/has-run`;
}

/**
 * A file that exists while an instance is failed, or was restored and has not run. It starts with the next daemon, although its
 * database may sleep: so its reason is shown.
 */
export function failedMarkerOf(directory: string): string {
  return `${directory}/failed`;
}

/** PocketBase's own log of an instance. */
export function requestLogOf({ directory }: Pick<InstanceSpec, 'directory'>): RequestLog {
  return new RequestLog(requestLogFileOf(directory));
}

export function requestLogFileOf(directory: string): string {
  return `${dataDirOf(directory)}/auxiliary.db`;
}

/** Files of requests in progress. The next start removes them. */
export function temporaryDirOf(directory: string): string {
  return `${directory}/tmp`;
}

/** The copy of a database that a rollout changes, while it may go back. */
export function rolloutDirOf(directory: string): string {
  return `${directory}/rollout`;
}

/** A restored database that is not in place yet. */
export function restoreDirOf(directory: string): string {
  return `${directory}/restore`;
}

/** A copy of a backup that is tested. */
export function drillDirOf(directory: string): string {
  return `${directory}/drill`;
}

/** Names of the data from before a restore, beside `pb_data`. */
export const BEFORE_PREFIX = 'pb_data.before-';

export function dataDirOf(directory: string): string {
  return `${directory}/pb_data`;
}
