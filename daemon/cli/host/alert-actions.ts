import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';

/** Sends a test message to every channel. Exits with 1 if one has not taken it, or without channels. */
export async function testAlerts(
  args: ConnectArguments & { json: boolean },
  context: CliContext,
): Promise<number> {
  const { results } = await connect(args, context).alerts.test();
  if (args.json) printJson(context, { results });
  else
    for (const { channel, duration_ms, problem } of results)
      printLine(
        context.stdout,
        printable(`${channel.padEnd(9)}${problem ?? `has taken the message (${duration_ms} ms)`}`),
      );
  if (results.length === 0)
    printLine(
      context.stderr,
      'fathomd: alerts are off; set ALERT_WEBHOOK_URL, ALERT_MAIL_TO or ALERT_COMMAND, and reload the daemon',
    );
  return results.length > 0 && results.every(({ problem }) => problem === null) ? 0 : 1;
}
