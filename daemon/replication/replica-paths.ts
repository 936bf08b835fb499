import { ensureBackupHost } from '../backups/service/backup-host.ts';
import type { Logger } from '../base/log/log.ts';
import { replicaPath } from './litestream-config.ts';

/** A node of a cluster. */
export interface ReplicaOwner {
  /** Whether other nodes may take over its databases. */
  allowsTakeover: boolean;
  /** The epoch grows with each owner of a database. Null for one that this node does not own. */
  ownershipOf(name: string): { epoch: number } | null;
  /** Called when a replica has everything, again and again. Never rejects. @param replica.path below the target */
  recordReplica(replica: { name: string; directory: string; path: string }): Promise<void>;
}

/** Where the replicas of this host are, below the target. When nodes take over from each other, each owner has its own. */
export class ReplicaPaths {
  readonly #deps: { dataDir: string; cluster: ReplicaOwner | null; log: Logger };
  #host: string | null = null;
  /** Names whose replicas are being recorded. */
  readonly #recording = new Set<string>();

  constructor(deps: { dataDir: string; cluster: ReplicaOwner | null; log: Logger }) {
    this.#deps = deps;
  }

  /** The id of the data directory. */
  async host(): Promise<string> {
    this.#host ??= (await ensureBackupHost(this.#deps.dataDir, this.#deps.log)).id;
    return this.#host;
  }

  /** The path of a replica. */
  async of(name: string): Promise<string> {
    return replicaPath(await this.host(), name + this.suffixOf(name));
  }

  /** The path of a replica that this host writes as the owner with an epoch. */
  async ofEpoch(name: string, epoch: number): Promise<string> {
    return replicaPath(await this.host(), name + suffixOf(epoch));
  }

  /** What follows the name of a database in its path. */
  suffixOf(name: string): string {
    const { cluster } = this.#deps;
    const epoch = cluster?.allowsTakeover === true ? cluster.ownershipOf(name)?.epoch : undefined;
    return epoch === undefined ? '' : suffixOf(epoch);
  }

  /** Notes that a replica has everything. A database that has another owner since, also this host again, has another replica. */
  async record({
    name,
    directory,
    replica: path,
  }: {
    name: string;
    directory: string;
    replica: string;
  }): Promise<void> {
    const { cluster } = this.#deps;
    if (cluster?.allowsTakeover !== true || this.#recording.has(name)) return;
    this.#recording.add(name);
    try {
      if ((await this.of(name)) === path) await cluster.recordReplica({ name, directory, path });
    } finally {
      this.#recording.delete(name);
    }
  }
}

function suffixOf(epoch: number): string {
  return `/e${epoch}`;
}
