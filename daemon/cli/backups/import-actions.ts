import { resolve } from 'node:path';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { userIdOf } from '../input/user-id.ts';
import { printable } from '../output/print.ts';
import { warnOfReason } from './restore-actions.ts';

interface ImportArguments extends ConnectArguments {
  file: string;
  owner: string;
  'without-backup': boolean;
  yes: boolean;
  json: boolean;
}

export async function importArchive(
  { file, owner, 'without-backup': without_backup, yes, json, ...args }: ImportArguments,
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const { id, email } = await client.users.get(await userIdOf(client, owner));
  const path = resolve(context.cwd, file);
  const question = [
    `The archive ${path} becomes the database of ${email}. Data that it has now is then in a copy beside it.`,
    `${email} keeps the password of today. All sessions in the database end.`,
    `Type '${email}' to import it: `,
  ];
  const isConfirmed = yes || (await readConfirmation(question.map(printable).join('\n'), context)) === email;
  if (!isConfirmed) throw new UsageError(`that is not '${email}'; nothing was imported`);
  const imported = await client.imports.archive(id, { file: path, without_backup });
  if (json) printJson(context, imported);
  else {
    const { database, created_at, backup, kept_in: kept, phase } = imported;
    printLine(
      context.stdout,
      printable(`${database} has the data of ${backup} of ${created_at} and is ${phase}`),
    );
    if (kept !== null) printLine(context.stdout, printable(`its data from before is in ${kept}`));
    warnOfReason(imported, context);
  }
  return 0;
}
