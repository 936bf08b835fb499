import type { RestoredDatabase } from '../../../shared/api/backups.ts';
import { messageOf } from '../../../shared/errors.ts';
import { parseLocalTime } from '../../../shared/local-time.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable } from '../output/print.ts';

interface RestoreArguments extends ConnectArguments {
  name: string;
  backup: string | undefined;
  at: string | undefined;
  'into-new': boolean;
  'without-backup': boolean;
  yes: boolean;
  json: boolean;
}

export async function restoreDatabase(
  {
    name,
    backup = 'latest',
    at,
    'into-new': into_new,
    'without-backup': without_backup,
    yes,
    json,
    ...args
  }: RestoreArguments,
  context: CliContext,
): Promise<number> {
  if (at !== undefined && backup !== 'latest') throw new UsageError("use either '--backup' or '--at'");
  const time = at === undefined ? undefined : timeOf(at);
  const { databases, backups } = connect(args, context);
  const { email } = await databases.get(name);
  const question = [
    time === undefined
      ? `The data of ${name} is replaced by the backup '${backup}'.`
      : `The data of ${name} is replaced by its data of ${time}.`,
    'What was written since then is then in the copy beside it, and in a backup that is made first if BACKUP_BEFORE_CHANGES is on.',
    `${email ?? 'The owner'} keeps the password of today. All sessions in this database end.`,
    `Type '${name}' to restore it: `,
  ];
  const isConfirmed = yes || (await readConfirmation(question.map(printable).join('\n'), context)) === name;
  if (!isConfirmed) throw new UsageError(`that is not '${name}'; nothing was restored`);
  const restored = await backups.restore(name, backup, { into_new, at: time, without_backup });
  if (json) printJson(context, restored);
  else {
    const { created_at, files_from: files, kept_in: kept, phase } = restored;
    const source = time === undefined ? restored.backup : 'from its replica';
    printLine(context.stdout, printable(`${name} has its data of ${created_at} (${source}) and is ${phase}`));
    if (time !== undefined)
      printLine(
        context.stdout,
        printable(
          files === null
            ? 'its uploaded files are those of now; there is no backup of before'
            : `its uploaded files are those of the backup ${files} and those of now`,
        ),
      );
    if (kept !== null) printLine(context.stdout, printable(`its data from before is in ${kept}`));
    warnOfReason(restored, context);
  }
  return 0;
}

/** A database that runs has a reason while it lacks something, such as a migration. */
export function warnOfReason({ phase, reason }: RestoredDatabase, { stderr }: CliContext): void {
  if (phase === 'running' && reason !== null) printLine(stderr, printable(`warning: ${reason.message}`));
}

/** @throws UsageError */
function timeOf(text: string): string {
  try {
    return parseLocalTime(text, new Date()).toISOString();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}
