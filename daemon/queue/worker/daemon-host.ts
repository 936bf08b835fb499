import { join } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import type { DatabaseRow } from '../../../shared/hooks/control-plane-routes.ts';
import { connectHost, urlHost } from '../../../shared/host.ts';
import type { Config } from '../../config/config.ts';
import type { Catalog } from '../../databases/catalog.ts';
import { ensureAwake } from '../../databases/instance-client.ts';
import type { Provisioner } from '../../databases/provisioning/provisioner.ts';
import type { EventBus } from '../../events/bus.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { handlerConfinement } from '../handler-confinement.ts';
import { Queue, type QueueOptions } from '../queue.ts';
import { NoDatabaseNow, type TaskHost } from './prepare.ts';

/** Gives tasks access to the databases of this daemon. `host` is the address of user instances. */
function createDaemonHost(deps: {
  catalog: Catalog;
  fleet: Pick<Fleet, 'wake'>;
  provisioner: Provisioner;
  host: string;
}): TaskHost {
  return {
    async databaseOf(userId, { forAll }) {
      const entry = deps.catalog.findByUser(userId);
      if (forAll && !(entry && isScheduled(entry.row, deps.catalog))) throw new NoDatabaseNow();
      if (!entry) throw new FathomError('not_found', `the user '${userId}' has no database`);
      await ensureAwake(entry, deps.fleet, forAll ? 'schedule' : 'task');
      const { name, phase, port } = entry.runner.state.view();
      if (phase !== 'running' || port === null) {
        throw new FathomError(
          'instance.not_running',
          `the database ${name} is ${phase}; it has to run for this`,
        );
      }
      return {
        name,
        url: `http://${deps.host}:${port}`,
        token: await entry.superuserToken(),
        data_dir: join(deps.catalog.directoryOf(name), 'pb_data'),
      };
    },
    async provision(user) {
      const entry = await deps.provisioner.ensure(user);
      return { name: entry.row.name };
    },
  };
}

/** Whether schedules over all databases include a database. */
function isScheduled({ name, state, desired }: DatabaseRow, { archived }: Catalog): boolean {
  const hasFiles = archived.find(name) === null && !archived.isUnreadable(name);
  return state === 'ready' && desired === 'running' && hasFiles;
}

/** Creates the queue of the daemon. */
export function createDaemonQueue({
  config,
  bus,
  catalog,
  fleet,
  provisioner,
  extraTargets = [],
  ...options
}: Pick<QueueOptions, 'controlPlane' | 'masterKeys' | 'seal' | 'leaseMs' | 'onAttempt' | 'clock' | 'log'> & {
  config: Config;
  bus: EventBus;
  catalog: Catalog;
  fleet: Fleet;
  provisioner: Provisioner;
  /** More targets, in addition to QUEUE_ALLOWED_TARGETS. */
  extraTargets?: readonly string[];
}): Queue {
  const host = urlHost(connectHost(config.bindAddress));
  return new Queue({
    ...options,
    random: Math.random,
    host: createDaemonHost({ catalog, fleet, provisioner, host }),
    tasksDir: config.tasksDir,
    confinement: handlerConfinement(config),
    allowedTargets: [...config.worker.allowedTargets, ...extraTargets],
    eventWebhook: config.eventWebhook,
    slots: config.worker.concurrency,
    pollIntervalMs: config.worker.pollIntervalMs,
    publish: (event) => bus.publish(event),
    hasDatabase: (userId) => catalog.findByUser(userId) !== null,
    listDatabases: () => catalog.entries().flatMap(({ row }) => (isScheduled(row, catalog) ? [row] : [])),
  });
}
