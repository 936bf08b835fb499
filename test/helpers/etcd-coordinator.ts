import { onTestFinished } from 'vitest';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { EtcdCoordinator } from '../../daemon/cluster/etcd/etcd-coordinator.ts';
import { type EtcdAccess, EtcdGateway } from '../../daemon/cluster/etcd/gateway.ts';
import { silentLog } from './silent-log.ts';

export const NO_TLS = { ca: null, cert: null, key: null };

/** A connection to etcd that is closed at the end of the test. */
export function etcdCoordinator(access: Partial<EtcdAccess>, cluster = 'test'): EtcdCoordinator {
  const gateway = new EtcdGateway({ endpoints: [], tls: NO_TLS, credentials: null, ...access });
  const coordinator = new EtcdCoordinator(gateway, { cluster, clock: systemClock, log: silentLog });
  onTestFinished(() => coordinator.close());
  return coordinator;
}
