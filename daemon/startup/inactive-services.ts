import { join } from 'node:path';
import type { DatabaseArchives } from '../backups/archived/database-archives.ts';
import { InactiveDatabases, type InactiveDatabasesDeps } from '../backups/archived/inactive-databases.ts';
import type { Restores } from '../backups/restore/restores.ts';
import type { ChildProcessDriver } from '../pocketbase/process/process-driver.ts';
import { UsageHistory, type UsageHistoryDeps } from '../usage/usage-history.ts';

export interface InactiveServices {
  usageHistory: UsageHistory;
  inactive: InactiveDatabases;
}

/** Creates the history of usage, and what archives databases that are not used. */
export function createInactiveServices({
  dataDir,
  archives,
  restores,
  driver,
  ...deps
}: {
  dataDir: string;
  archives: DatabaseArchives;
  restores: Restores;
  driver: ChildProcessDriver;
} & Omit<UsageHistoryDeps, 'path'> &
  Omit<InactiveDatabasesDeps, 'history' | 'archives' | 'isRestoring' | 'holdsSockets'>): InactiveServices {
  const usageHistory = new UsageHistory({ ...deps, path: join(dataDir, 'usage.db') });
  const inactive = new InactiveDatabases({
    ...deps,
    archives,
    history: usageHistory,
    isRestoring: (name) => restores.progressOf(name) !== null,
    holdsSockets: async () => (await driver.sockets()).held,
  });
  return { usageHistory, inactive };
}
