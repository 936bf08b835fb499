import { byteSize } from '../../../shared/byte-size.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable } from '../output/print.ts';

export async function archiveDatabase(
  { name, yes, json, ...args }: ConnectArguments & { name: string; yes: boolean; json: boolean },
  context: CliContext,
): Promise<number> {
  const { databases } = connect(args, context);
  const { email } = await databases.get(name);
  const question = [
    `${name} of ${email ?? 'an unknown owner'} is backed up, and its files leave the disk.`,
    'Its next request, sign-in or start brings them back, which takes longer than a start. Its logs of requests are removed.',
    `Type '${name}' to archive it: `,
  ];
  const isConfirmed = yes || (await readConfirmation(question.map(printable).join('\n'), context)) === name;
  if (!isConfirmed) throw new UsageError(`that is not '${name}'; nothing was archived`);
  const archived = await databases.archive(name);
  if (json) printJson(context, archived);
  else {
    const { backup, freed_bytes: freed, phase } = archived;
    const text = `${name} is archived in the backup ${backup} and is ${phase}; ${byteSize(freed)} left the disk`;
    printLine(context.stdout, printable(text));
  }
  return 0;
}
