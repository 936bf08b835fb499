import type { PhaseReason } from '../../shared/api/instances.ts';
import type { Binary } from '../pocketbase/binary/binary.ts';
import type { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import { RequestLog } from '../pocketbase/logs/request-log.ts';

/** What should exist: everything a runner has to know of one instance. */
export interface InstanceSpec {
  name: string;
  kind: 'global' | 'user';
  userId: string | null;
  email: string | null;
  createdAt: string;
  /** The instance's directory; PocketBase's own is `pb_data` below. */
  directory: string;
  log: InstanceLog;
  binary: Binary;
  host: string;
  /** A fixed port is used or waited for; a preferred one is where the search begins. */
  port: { fixed: number } | { preferred: number };
  /** What PocketBase applies at its start; null where `prepare` does so before. */
  migrationsDir: string | null;
  hooksDir: string | null;
  hooksPool: number;
  environment: Record<string, string>;
  /** Brings its files up to date before a start, unless the signal aborts. Why it runs without some migrations, or null. */
  prepare: (signal: AbortSignal) => Promise<PhaseReason | null>;
  /** Called when the process went on with another `data.db`, as after PocketBase's own restore. */
  onReplaced: () => void;
  /** The address that users are given. */
  publicUrl: (port: number) => string;
  /** Authorization for the probe that reads the database; null probes only whether the process serves. */
  probeAuthorization: (() => Promise<string>) | null;
  /** Told whenever the instance listens on another port than before. */
  onPort: (port: number) => void;
}

/** Locked as long as an instance runs on the directory. */
export function lockFileOf(directory: string): string {
  return `${directory}/lock`;
}

/** There once the global instance has run: from then on its data is not made anew, should it be gone. */
export function hasRunMarkerOf(directory: string): string {
  return `${directory}/has-run`;
}

/** Where PocketBase keeps its own log. */
export function requestLogOf({ directory }: Pick<InstanceSpec, 'directory'>): RequestLog {
  return new RequestLog(`${dataDirOf(directory)}/auxiliary.db`);
}

export function dataDirOf(directory: string): string {
  return `${directory}/pb_data`;
}
