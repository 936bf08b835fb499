import { command, JSON_OPTION } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

/** Commands about the mail server of accounts. */
export const mailCommands = [
  command({
    words: ['mail', 'test'],
    summary: 'Send a test mail over the mail server of accounts, and show what is wrong with it',
    positionals: {
      address: { type: 'string', demandOption: true, describe: 'E-mail address that gets the mail' },
    },
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { sendTestMail } = await import('./mail-actions.ts');
      return sendTestMail(args, context);
    },
  }),
];
