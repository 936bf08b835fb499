import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable } from '../output/print.ts';

interface RestoreArguments extends ConnectArguments {
  name: string;
  backup: string | undefined;
  'into-new': boolean;
  yes: boolean;
  json: boolean;
}

export async function restoreDatabase(
  { name, backup = 'latest', 'into-new': into_new, yes, json, ...args }: RestoreArguments,
  context: CliContext,
): Promise<number> {
  const { databases, backups } = connect(args, context);
  const { email } = await databases.get(name);
  const question = [
    `The data of ${name} is replaced by the backup '${backup}'. What was written since the backup is then only in the copy beside it.`,
    `${email ?? 'The owner'} keeps the password of today. All sessions in this database end.`,
    `Type '${name}' to restore it: `,
  ];
  const isConfirmed = yes || (await readConfirmation(question.map(printable).join('\n'), context)) === name;
  if (!isConfirmed) throw new UsageError(`that is not '${name}'; nothing was restored`);
  const restored = await backups.restore(name, backup, { into_new });
  if (json) printJson(context, restored);
  else {
    const { created_at: at, kept_in: kept, phase } = restored;
    printLine(
      context.stdout,
      printable(`${name} has its data of ${at} (${restored.backup}) and is ${phase}`),
    );
    if (kept !== null) printLine(context.stdout, printable(`its data from before is in ${kept}`));
  }
  return 0;
}
