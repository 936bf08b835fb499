import { dirname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { HandlerConfinement } from './runner/messages.ts';

/** Where a process could change limits of instances. */
const CGROUPS = '/sys/fs/cgroup';

/** What handlers of the administrator cannot use: data and secrets of the fleet. Null when the setting is off. */
export function handlerConfinement({
  tasksSandbox,
  dataDir,
  userDatabasesDir,
  tasksDir,
  secretPaths,
}: Pick<
  Config,
  'tasksSandbox' | 'dataDir' | 'userDatabasesDir' | 'tasksDir' | 'secretPaths'
>): HandlerConfinement | null {
  if (!tasksSandbox) return null;
  return {
    hidden: [dataDir, userDatabasesDir, CGROUPS, ...secretPaths],
    visible: [tasksDir, ...packagesOf(tasksDir, dataDir)],
    temporaryDir: join(dataDir, 'tmp', 'handlers'),
  };
}

/** Packages that handlers load from a directory above their own, inside the data directory. */
function packagesOf(tasksDir: string, dataDir: string): string[] {
  const found: string[] = [];
  for (let at = dirname(tasksDir); at === dataDir || at.startsWith(`${dataDir}/`); at = dirname(at)) {
    found.push(join(at, 'node_modules'), join(at, 'package.json'));
  }
  return found;
}
