import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';

export async function sendTestMail(
  args: ConnectArguments & { address: string; json: boolean },
  context: CliContext,
): Promise<number> {
  await connect(args, context).mails.test({ to: args.address });
  if (args.json) printJson(context, { mailed: args.address });
  else
    printLine(
      context.stdout,
      printable(
        `the mail server has taken the mail to ${args.address}; look whether it arrives, also as spam`,
      ),
    );
  return 0;
}
