import { command, JSON_OPTION } from './command.ts';
import { CONNECT_OPTIONS } from './connect.ts';

export const userCommands = [
  command({
    words: ['users', 'list'],
    summary: 'list users and their databases',
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listUsers } = await import('./users-actions.ts');
      return listUsers(args, context);
    },
  }),
  command({
    words: ['users', 'add'],
    summary: 'add a user; the password is asked for, read from stdin, or generated and shown once',
    positionals: { email: { type: 'string', demandOption: true, describe: 'e-mail address' } },
    options: {
      name: { type: 'string', requiresArg: true, describe: 'name to show' },
      role: { choices: ['user', 'admin'], default: 'user', describe: 'only users are given a database' },
      'password-stdin': { type: 'boolean', default: false, describe: 'read the password from stdin' },
      ...JSON_OPTION,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { addUser } = await import('./users-actions.ts');
      return addUser({ ...args, passwordStdin: args['password-stdin'] }, context);
    },
  }),
];
