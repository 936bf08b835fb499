import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { ReplicaConfig } from '../config/replica.ts';
import { FileReplicas, type FleetOwner } from './files/file-replicas.ts';
import type { ReplicaOwner } from './replica-paths.ts';
import { Replication } from './replication.ts';

export interface Replicas {
  replication: Replication;
  fileReplicas: FileReplicas;
}

/** Creates what replicates databases: Litestream, and the files that it leaves out. Both stop with `resources`. */
export function createReplicas(
  { replica, dataDir }: { replica: ReplicaConfig; dataDir: string },
  options: {
    /** Null for a single server. */
    cluster: (ReplicaOwner & FleetOwner) | null;
    clock: Clock;
    log: Logger;
    resources: AsyncDisposableStack;
  },
): Replicas {
  const { cluster, resources } = options;
  const replication = new Replication({ ...options, config: replica, dataDir });
  const owner = cluster?.allowsTakeover === true ? cluster : null;
  const fileReplicas = new FileReplicas({
    ...options,
    config: replica,
    cluster: owner,
    paths: replication.paths,
  });
  resources.defer(async () => {
    await Promise.all([replication.stop(), fileReplicas.stop()]);
  });
  return { replication, fileReplicas };
}

/** By name: what the replicas of databases lack when both have stopped. */
export function lackingOf({ replication, fileReplicas }: Replicas): Map<string, ('changes' | 'files')[]> {
  const lacking = new Map<string, ('changes' | 'files')[]>();
  for (const name of replication.incomplete()) lacking.set(name, ['changes']);
  for (const name of fileReplicas.incomplete()) lacking.set(name, [...(lacking.get(name) ?? []), 'files']);
  return lacking;
}
