import { statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { modulePath } from '../base/package.ts';

/** The handlers of Fathom itself. `database`: what they need of the user's database. */
const BUILT_IN: Readonly<Record<string, { file: string; database: 'required' | 'unused' }>> = {
  'database.provision': { file: 'database-provision', database: 'unused' },
  'database.vacuum': { file: 'database-vacuum', database: 'required' },
  'http.request': { file: 'http-request', database: 'unused' },
  'mail.send': { file: 'mail-send', database: 'unused' },
};

const OF_ADMINISTRATOR = ['.ts', '.mts', '.js', '.mjs'];

export interface FoundHandler {
  /** URL of its module; differs when the file was changed, so that a running process loads it anew. */
  module: string;
  /** `if_any`: handed over when the task has a user. */
  database: 'required' | 'unused' | 'if_any';
}

/** `report.weekly` is the file `report.weekly.ts` (`.mts`, `.js`, `.mjs`) in `tasksDir`; null when there is none. */
export function findHandler(type: string, tasksDir: string): FoundHandler | null {
  const own = Object.hasOwn(BUILT_IN, type) ? BUILT_IN[type] : undefined;
  if (own) {
    return {
      module: pathToFileURL(modulePath(`daemon/queue/handlers/${own.file}`)).href,
      database: own.database,
    };
  }
  // A type becomes a file name here: it must never lead out of the directory.
  if (!/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(type)) return null;
  for (const suffix of OF_ADMINISTRATOR) {
    const path = join(tasksDir, type + suffix);
    // A few microseconds each; a turn through the thread pool would cost more than the whole claim does.
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) continue;
    return { module: `${pathToFileURL(path).href}?changed=${found.mtimeMs}`, database: 'if_any' };
  }
  return null;
}
