import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';

export interface CreateInvitationArguments extends ConnectArguments {
  email?: string | undefined;
  plan?: string | undefined;
  expires?: number | undefined;
  uses?: number | undefined;
  mail: boolean;
  json: boolean;
}

export async function createInvitation(
  args: CreateInvitationArguments,
  context: CliContext,
): Promise<number> {
  const { email, plan, uses, mail } = args;
  const created = await connect(args, context).invitations.create({
    email,
    plan,
    uses,
    expires_days: args.expires,
    mail,
  });
  if (args.json) {
    printJson(context, created);
    return 0;
  }
  const { id, token, link, mail_problem: problem, expires_at: expiresAt } = created;
  if (problem !== null) printLine(context.stderr, printable(`no mail was sent: ${problem}`));
  const whom = created.email === null ? '' : ` for ${created.email}`;
  const how = token === null ? 'was sent by mail' : 'is shown only now';
  printLine(context.stdout, printable(`the invitation ${id}${whom} ${how}; it expires at ${expiresAt}`));
  if (token === null) return 0;
  printLine(context.stdout, link === null ? `token: ${token}` : `link: ${link}`);
  if (link === null) {
    printLine(context.stderr, 'set PUBLIC_URL to get a link; applications send the token as `invitation`');
  }
  return 0;
}
