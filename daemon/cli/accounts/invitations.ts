import { command, JSON_OPTION } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

export const invitationCommands = [
  command({
    words: ['invitations', 'create'],
    summary:
      'Invite a person to sign up; sends a mail if an address and a mail server are set, else shows the link',
    positionals: { email: { type: 'string', describe: 'The only e-mail address that can use it' } },
    options: {
      plan: { type: 'string', requiresArg: true, describe: "Plan of the account; see 'fathomd plans list'" },
      expires: { type: 'number', requiresArg: true, describe: 'Days until it expires (default 7)' },
      uses: {
        type: 'number',
        requiresArg: true,
        describe: 'Number of accounts, without an address (default 1)',
      },
      mail: { type: 'boolean', default: true, describe: 'Send it by mail; --no-mail shows the link instead' },
      ...JSON_OPTION,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { createInvitation } = await import('./invitation-actions.ts');
      return createInvitation(args, context);
    },
  }),
];
