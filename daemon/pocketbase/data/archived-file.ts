import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Names the backup of an archived database, beside the place of its `pb_data`. */
export function archivedFileOf(directory: string): string {
  return join(directory, 'archived.json');
}

/** Whether the files of a database that has no `data.db` are in a backup only. @param dataDir `pb_data` */
export function isArchived(dataDir: string): boolean {
  return existsSync(archivedFileOf(dirname(dataDir)));
}
