import type { CgroupStatus, DaemonStatus } from '../../../../shared/api/daemon.ts';
import type { Sandbox } from '../../../../shared/api/instances.ts';
import type { FieldError } from '../../../../shared/errors.ts';
import type { HostResources } from '../../../../shared/resource-use.ts';
import type { ClusterFacts } from '../../../cluster/inspect.ts';
import type { Binary } from '../../../pocketbase/binary/binary.ts';
import type { LitestreamBinary } from '../../../replication/litestream-binary.ts';
import type { AdvisoryFacts } from '../advisory-checks.ts';
import type { DiskFacts } from './disks.ts';
import type { FleetFacts } from './fleet-facts.ts';
import type { NetworkDisk } from './network-disks.ts';
import type { WeakSecret } from './secrets-strength.ts';
import type { KeyFacts, MasterKeyFacts, SessionKeyFacts } from './stored-keys.ts';

/** The state of the host: the input of all checks. */
export interface HostFacts {
  /** As `process.versions.node`. */
  nodeVersion: string;
  config: ({ valid: true } | { valid: false; problems: readonly FieldError[] }) & {
    warnings: readonly string[];
  };
  envFiles: readonly { path: string; mode: number; exposed: boolean }[];
  binary: ({ usable: true } & Binary) | { usable: false; problem: string };
  /** Null without REPLICA. */
  litestream: LitestreamBinary | null;
  /** Null without FATHOM_CLUSTER. */
  cluster: ClusterFacts | null;
  advisories: AdvisoryFacts;
  dataDir: DirectoryFacts;
  ports: readonly PortFacts[];
  /** Null when the configuration is not valid. */
  portRange: { base: number; range: number } | null;
  /** Settings for reverse proxies; null when the configuration is not valid. */
  edge: { hasToken: boolean; trustedProxies: readonly string[]; publicUrl: string } | null;
  /** Null when they cannot be read. */
  localPorts: LocalPorts | null;
  /** Every file system that Fathom writes to. */
  disks: readonly DiskFacts[];
  /** The daemon holds databases that write, because the disk is nearly full. */
  writesHeld: boolean;
  /** Directories of the fleet on a network file system. */
  networkDisks: readonly NetworkDisk[];
  /** A directory in BACKUP_TARGET that a restart of the host empties. */
  targetInMemory: string | null;
  /** `fs.inotify.max_user_instances`; null when it cannot be read. */
  inotifyInstances: number | null;
  /** The hard limit; Node raises its soft limit to it. Null when it cannot be read. */
  openFiles: number | null;
  /** Memory that programs can still get. */
  memoryAvailableBytes: number;
  resources: HostResources;
  /** User databases on disk. */
  databases: number;
  flock: 'ok' | 'missing' | 'no_fork_unknown';
  /** The sandbox with which instances start, or why it cannot be found out; null without a daemon and an executable to ask. */
  sandbox: Sandbox | { problem: string } | null;
  /** What the kernel limits for each instance; null without a daemon that answers. */
  cgroup: CgroupStatus | null;
  /** Whether sockets stay open while instances restart; null when it is unknown. */
  sockets: DaemonStatus['sockets'] | null;
  daemon: DaemonFacts;
  /** Version of this program. The daemon can have another one. */
  fathomVersion: string;
  /** An interrupted install, upgrade, rollback or uninstall; null when there is none. */
  interruptedChange: { summary: string; remedy: string } | null;
  now: Date;
  weakSecrets: readonly WeakSecret[];
  /** Null before the first start, and when it is unknown. */
  settingsKey: KeyFacts | null;
  /** Null as above, and while there are no secrets. */
  masterKey: MasterKeyFacts | null;
  sessionKey: SessionKeyFacts | null;
  /** Null before the first start. */
  fleet: FleetFacts | null;
}

export interface DirectoryFacts {
  path: string;
  /** `absent`: this user can create it. `cannot_be_created`: this user cannot. */
  state: 'writable' | 'absent' | 'cannot_be_created' | 'not_writable' | 'not_a_directory';
  /** Permission bits; null when it does not exist. */
  mode: number | null;
}

/** Ports of outgoing connections, `[first, last]`, except the reserved ones. */
export interface LocalPorts {
  ephemeral: readonly [number, number];
  reserved: readonly (readonly [number, number])[];
}

export interface PortFacts {
  variable: 'SERVER_PORT' | 'PB_GLOBAL_PORT';
  host: string;
  port: number;
  state: 'free' | 'ours' | 'taken' | 'forbidden' | 'no_such_address';
}

export type DaemonFacts =
  | {
      state: 'ready' | 'starting';
      version: string;
      pid: number;
      startedAt: string;
      log: DaemonStatus['log'];
      signUps: DaemonStatus['sign_ups'];
      mail: DaemonStatus['mail'];
      /** Null for a daemon of an earlier release. */
      backups: DaemonStatus['backups'] | null;
      trash: DaemonStatus['trash'] | null;
      alerts: DaemonStatus['alerts'] | null;
      inactive: DaemonStatus['inactive'] | null;
      proxies: DaemonStatus['proxies'];
    }
  /** The socket does not exist. */
  | { state: 'absent'; socketPath: string }
  /** `pid`: of the daemon that runs and does not answer; null without one. */
  | { state: 'silent'; problem: string; pid: number | null; suspended: boolean };

/** Whether a daemon runs, also one that does not answer. */
export function hasDaemon(daemon: DaemonFacts): boolean {
  return daemon.state === 'silent' ? daemon.pid !== null : daemon.state !== 'absent';
}
