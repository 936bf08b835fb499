import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { exists, unlessMissing } from '../base/files/dir.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { ClusterConfig } from '../config/cluster.ts';
import { keyId } from '../keys/derived-keys.ts';
import { globalDirOf } from '../supervisor/global-instance.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';
import { Cluster } from './cluster.ts';
import { writeEpoch } from './copies.ts';
import { EtcdCoordinator } from './etcd/etcd-coordinator.ts';
import { type EtcdAccess, EtcdGateway } from './etcd/gateway.ts';

const uuid = z.uuid();

/** @throws FathomError `config.invalid` when a file of the settings cannot be read */
export async function openCluster(
  config: ClusterConfig,
  {
    dataDir,
    hasReplica,
    secrets,
    controlPlane,
    apiPort,
    version,
    stopping,
    clock,
    log,
  }: {
    dataDir: string;
    /** Whether the databases are replicated. */
    hasReplica: boolean;
    /** Those that all nodes of a fleet share. */
    secrets: readonly Uint8Array[];
    controlPlane: string;
    apiPort: number;
    version: string;
    stopping: AbortSignal;
    clock: Clock;
    log: Logger;
  },
): Promise<Cluster> {
  const gateway = new EtcdGateway(await readAccess(config));
  return new Cluster({
    coordinator: new EtcdCoordinator(gateway, { cluster: config.name, clock, log }),
    cluster: config.name,
    facts: {
      node: config.node,
      machine: await machineOf(dataDir, config.address),
      boot: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
      fleet: await fleetOf(dataDir, config.fleetId),
      takeover: config.isFenced && hasReplica,
      secrets: secrets.map(keyId).join('-'),
      address: config.address,
      api_port: apiPort,
      version,
      started_at: clock.now().toISOString(),
    },
    controlPlane,
    leaseSeconds: config.leaseSeconds,
    isFenced: config.isFenced,
    mayFollow: config.fleetId !== null,
    writeEpoch,
    stopping,
    clock,
    log,
  });
}

/** @throws FathomError `config.invalid` */
export async function readAccess(config: ClusterConfig): Promise<EtcdAccess> {
  const [ca, cert, key, password] = await Promise.all([
    readSetting('FATHOM_CLUSTER_CA', config.ca),
    readSetting('FATHOM_CLUSTER_CERT', config.cert),
    readSetting('FATHOM_CLUSTER_KEY', config.key),
    readSetting('FATHOM_CLUSTER_PASSWORD_FILE', config.passwordFile),
  ]);
  const { endpoints, user } = config;
  return {
    endpoints,
    tls: { ca, cert, key },
    credentials:
      user === null || password === null ? null : { user, password: password.replace(/\r?\n$/, '') },
  };
}

async function readSetting(variable: string, path: string | null): Promise<string | null> {
  if (path === null) return null;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new FathomError('config.invalid', `${variable}: cannot read ${path}: ${messageOf(error)}`);
  }
}

/** The id of the control plane and its databases. A copy of the data directory keeps it, so that both cannot run at once. */
async function fleetOf(dataDir: string, wanted: string | null): Promise<string> {
  const path = join(dataDir, 'fleet-id');
  const text = await readFile(path, 'utf8').catch(unlessMissing);
  if (text === null) {
    if (wanted !== null && (await exists(join(dataDirOf(globalDirOf(dataDir)), 'data.db'))))
      throw new FathomError(
        'config.invalid',
        `FATHOM_FLEET_ID: ${dataDir} has the data of another fleet; use an empty data directory`,
      );
    const id = wanted ?? randomUUID();
    await replaceFile(path, `${id}\n`, { mode: 0o600, synced: true });
    return id;
  }
  const id = uuid.safeParse(text.trim());
  if (id.success && wanted !== null && id.data !== wanted)
    throw new FathomError(
      'config.invalid',
      `FATHOM_FLEET_ID: ${dataDir} belongs to the fleet ${id.data}; use an empty data directory`,
    );
  if (!id.success)
    throw new FathomError(
      'data_dir.unusable',
      `${path} has no UUID; restore it from a copy of the data directory`,
    );
  return id.data;
}

/** Containers have no id of a machine. */
async function machineOf(dataDir: string, address: string): Promise<string> {
  const id = (await readFile('/etc/machine-id', 'utf8').catch(unlessMissing))?.trim() || address;
  return createHash('sha256').update(`${id}\n${dataDir}`).digest('hex').slice(0, 32);
}
