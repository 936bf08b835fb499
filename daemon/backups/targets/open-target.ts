import { isAbsolute } from 'node:path';
import { BackupProblem } from '../backup-problem.ts';
import { DirectoryTarget } from './directory-target.ts';
import type { Target } from './target.ts';

/**
 * Opens BACKUP_TARGET. Connects to nothing yet.
 *
 * @param url an absolute path of a directory
 * @throws BackupProblem
 */
export function openTarget(url: string): Target {
  if (isAbsolute(url)) return new DirectoryTarget(url);
  throw new BackupProblem(`'${url}' is no backup target; use the absolute path of a directory`);
}
