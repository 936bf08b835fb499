import { isAbsolute } from 'node:path';

/*
 * A replica has the path HOST/DATABASE below REPLICA. HOST is the id of the data directory, which a restored host does not
 * share: two hosts that write to one replica would damage it.
 */

/** How long each second can be restored; later, what Litestream has merged in steps of 30 seconds. */
export const SECONDS_KEPT = '6h';
/** How long every replica can be restored at all. Litestream stores the whole database once a day. */
export const REPLICA_KEPT = '168h';

/** The prefix of a replica below REPLICA, with a slash at its end. */
export function replicaPrefix(host: string, database: string): string {
  return `${host}/${database}/`;
}

/** The path of a replica below REPLICA. */
export function replicaPath(host: string, database: string): string {
  return replicaPrefix(host, database).slice(0, -1);
}

/** The replica at a path, as Litestream writes it. @param target REPLICA */
export function replicaUrl(target: string, path: string): string {
  if (isAbsolute(target)) return `file://${target.replace(/\/+$/, '')}/${path}`;
  const url = new URL(target);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`;
  if (!url.searchParams.has('region')) url.searchParams.set('region', 'us-east-1');
  return url.href;
}

/**
 * The configuration of the process. It names no database and has no secret: databases are registered at the control socket,
 * and the credentials of S3 come from the environment.
 */
export function litestreamConfig(socketPath: string): string {
  const config = {
    socket: { enabled: true, path: socketPath, permissions: 0o600 },
    logging: { type: 'json', level: 'warn', stderr: true },
    snapshot: { interval: '24h', retention: REPLICA_KEPT },
    'l0-retention': SECONDS_KEPT,
    // Each check lists the replica of each database.
    'l0-retention-check-interval': '10m',
    // A target that is away must not delay the stop of a database. The rest is sent after its next start.
    'shutdown-sync-timeout': '2s',
    dbs: [],
  };
  // YAML contains JSON.
  return `${JSON.stringify(config, null, 2)}\n`;
}
