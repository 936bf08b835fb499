import type { PositionalOptions } from 'yargs';
import { ROLES } from '../security/permissions.ts';
import { command, JSON_OPTION, TABLE_OPTIONS } from './command.ts';
import { CONNECT_OPTIONS } from './connect.ts';

const WHO = {
  user: { type: 'string', demandOption: true, describe: 'e-mail address or id' },
} as const satisfies Record<string, PositionalOptions>;

const COMMON = { ...JSON_OPTION, ...CONNECT_OPTIONS } as const;

export const userCommands = [
  command({
    words: ['users', 'list'],
    summary: 'list users and their databases',
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
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
      role: { choices: ROLES, default: 'user', describe: 'only a user is given a database' },
      field: {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'NAME=VALUE of a field that you have added to the accounts; may be several',
      },
      'password-stdin': { type: 'boolean', default: false, describe: 'read the password from stdin' },
      ...COMMON,
    },
    async run(args, context) {
      const { addUser } = await import('./users-actions.ts');
      return addUser({ ...args, passwordStdin: args['password-stdin'] }, context);
    },
  }),
  command({
    words: ['users', 'show'],
    summary: 'show one with its database',
    positionals: WHO,
    options: COMMON,
    async run(args, context) {
      const { showUser } = await import('./users-actions.ts');
      return showUser(args, context);
    },
  }),
  command({
    words: ['users', 'set'],
    summary: 'give one another role, or lock it out and let it in again; counts at once',
    positionals: WHO,
    options: {
      role: { choices: ROLES, describe: 'what it may do from now on' },
      active: {
        type: 'boolean',
        describe: 'whether it may sign in; --no-active locks it out and keeps its data',
      },
      ...COMMON,
    },
    async run(args, context) {
      const { setUser } = await import('./users-actions.ts');
      return setUser(args, context);
    },
  }),
  command({
    words: ['users', 'sign-out'],
    summary: 'end all sessions and tokens of a user',
    positionals: WHO,
    options: {
      keys: { type: 'boolean', default: false, describe: 'revoke the API keys of the user as well' },
      ...COMMON,
    },
    async run(args, context) {
      const { signOutUser } = await import('./users-actions.ts');
      return signOutUser(args, context);
    },
  }),
  command({
    words: ['users', 'delete'],
    summary: 'delete one with its database; its e-mail address is asked for, or read from stdin',
    positionals: WHO,
    options: COMMON,
    async run(args, context) {
      const { deleteUser } = await import('./users-actions.ts');
      return deleteUser(args, context);
    },
  }),
];
