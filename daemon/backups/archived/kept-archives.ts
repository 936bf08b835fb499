import { FathomError } from '../../../shared/errors.ts';
import { forEachConcurrent } from '../../base/concurrent.ts';
import type { ArchivedDatabases } from '../../databases/archive/archived-databases.ts';
import type { BackupProcesses } from '../run/backup-processes.ts';

const CONCURRENT = 4;
/** Names in the message. All of them are fields. */
const SHOWN = 10;

/**
 * Requires that the backups of archived databases are on the target on which they were stored: they are all that is left of them.
 * A database whose backup is not known counts as lost.
 *
 * @param options.target BACKUP_TARGET; archives on former targets do not depend on it
 * @throws FathomError `missing_archives` with the names; BackupFailed when the target does not answer
 */
export async function requireKept(
  archived: Pick<ArchivedDatabases, 'all' | 'unreadable'>,
  { target, processes }: { target: string; processes: Pick<BackupProcesses, 'run'> },
): Promise<void> {
  const missing: string[] = [];
  const stored = archived.all().filter(([, database]) => database.target === target);
  await forEachConcurrent(stored, CONCURRENT, async ([name, { backup }]) => {
    const found = await processes.run({ kind: 'list', target, database: name });
    if (!found.some(({ id }) => id === backup)) missing.push(name);
  });
  const unknown = archived.unreadable();
  if (missing.length + unknown.length === 0) return;
  const problems: string[] = [];
  if (missing.length > 0)
    problems.push(
      `the only backup of archived databases is not on ${target}: ${list(missing)}; mount the target that has it`,
    );
  if (unknown.length > 0)
    problems.push(
      `archived.json, which names the only backup of an archived database, cannot be read: ${list(unknown)}; restore them with 'fathomd backups restore NAME'`,
    );
  throw new FathomError(
    'missing_archives',
    `${problems.join('; ')}; or accept that these databases are lost with --without-archives (without_archives)`,
    {
      fields: [
        ...missing.map((path) => ({
          path,
          message: 'Its files are in a backup that is not on the target.',
          code: 'missing_archive',
        })),
        ...unknown.map((path) => ({
          path,
          message: 'Its files are in a backup, and archived.json, which names it, cannot be read.',
          code: 'unreadable_archive',
        })),
      ],
    },
  );
}

function list(names: string[]): string {
  names.sort();
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return `${names.slice(0, SHOWN).join(', ')}${more}`;
}
