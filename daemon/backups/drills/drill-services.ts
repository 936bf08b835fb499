import type { Config } from '../../config/config.ts';
import type { Catalog } from '../../databases/catalog.ts';
import type { Templates } from '../../databases/provisioning/templates.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import type { Binaries } from '../../pocketbase/binary/binaries.ts';
import { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { GLOBAL_NAME } from '../../supervisor/global-instance.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import { CONTROL_PLANE } from '../manifest.ts';
import { BackupProcesses } from '../run/backup-processes.ts';
import { superuserOfCopy } from './copy-superuser.ts';
import { Drills, type DrillsDeps } from './drills.ts';

/** Creates the service of drills. */
export function createDrills({
  config,
  binaries,
  databases: { catalog, templates },
  masterKeys,
  backups,
  fleet,
  driver,
  isDiskHeld,
  clock,
  log,
}: {
  config: Config;
  binaries: Binaries;
  databases: { catalog: Catalog; templates: Templates };
  masterKeys: MasterKeys;
  fleet: Fleet;
} & Pick<DrillsDeps, 'backups' | 'driver' | 'isDiskHeld' | 'clock' | 'log'>): Drills {
  const findControlPlane: DrillsDeps['find'] = () => {
    const { spec } = fleet.get(GLOBAL_NAME);
    return {
      name: CONTROL_PLANE,
      spec,
      user: '',
      dataDir: dataDirOf(spec.directory),
      binaryOf: () => Promise.resolve(spec.binary),
      adjust: (copy) => superuserOfCopy(copy, clock),
    };
  };
  const findUser: DrillsDeps['find'] = (name) => {
    const entry = catalog.find(name);
    if (entry?.row.state !== 'ready') return null;
    const { row, runner, instance, superuserToken } = entry;
    return {
      name,
      spec: runner.spec,
      user: row.user,
      dataDir: dataDirOf(runner.spec.directory),
      binaryOf: async () => {
        const binary = await binaries.require(row.pocketbase_version);
        await templates.prepare(binary, instance.choice);
        return binary;
      },
      adjust: (copy) => {
        catalog.adjustCopy(entry, copy);
        return superuserToken;
      },
    };
  };
  return new Drills({
    backups,
    fleet,
    driver,
    isDiskHeld,
    clock,
    log,
    schedule: config.backups.drills,
    target: config.backups.target,
    masters: masterKeys,
    reserveBytes: config.diskReserveBytes,
    *names() {
      yield CONTROL_PLANE;
      for (const { row } of catalog.entries()) yield row.name;
    },
    find: (name) => (name === CONTROL_PLANE ? findControlPlane(name) : findUser(name)),
    *directories() {
      yield fleet.get(GLOBAL_NAME).spec.directory;
      for (const { runner } of catalog.entries()) yield runner.spec.directory;
    },
    thread: new DatabaseThread(),
    processes: new BackupProcesses(1),
  });
}
