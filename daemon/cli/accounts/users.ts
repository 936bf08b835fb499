import type { PositionalOptions } from 'yargs';
import { ROLES } from '../../accounts/permissions.ts';
import { command, JSON_OPTION, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

const WHO = {
  user: { type: 'string', demandOption: true, describe: 'E-mail address or id' },
} as const satisfies Record<string, PositionalOptions>;

const COMMON = { ...JSON_OPTION, ...CONNECT_OPTIONS } as const;

export const userCommands = [
  command({
    words: ['users', 'list'],
    summary: 'List users and their databases',
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listUsers } = await import('./users-actions.ts');
      return listUsers(args, context);
    },
  }),
  command({
    words: ['users', 'add'],
    summary: 'Add a user; asks for the password, reads it from stdin, or generates and shows it once',
    positionals: { email: { type: 'string', demandOption: true, describe: 'E-mail address' } },
    options: {
      name: { type: 'string', requiresArg: true, describe: 'Display name' },
      role: { choices: ROLES, default: 'user', describe: 'Role; only the role user has a database' },
      plan: { type: 'string', requiresArg: true, describe: "Plan; see 'fathomd plans list'" },
      field: {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'NAME=VALUE of a field that you added to the accounts; repeat for more',
      },
      verified: { type: 'boolean', default: false, describe: 'The e-mail address counts as proved' },
      'password-stdin': { type: 'boolean', default: false, describe: 'Read the password from stdin' },
      ...COMMON,
    },
    async run(args, context) {
      const { addUser } = await import('./users-actions.ts');
      return addUser({ ...args, passwordStdin: args['password-stdin'] }, context);
    },
  }),
  command({
    words: ['users', 'show'],
    summary: 'Show a user with its database',
    positionals: WHO,
    options: COMMON,
    async run(args, context) {
      const { showUser } = await import('./users-actions.ts');
      return showUser(args, context);
    },
  }),
  command({
    words: ['users', 'export'],
    summary: 'Save everything that is stored of a user, with the database, as a tar archive in a new file',
    positionals: {
      ...WHO,
      file: { type: 'string', demandOption: true, describe: 'File to create' },
    },
    options: COMMON,
    async run(args, context) {
      const { exportAccount } = await import('../backups/export-actions.ts');
      return exportAccount(args, context);
    },
  }),
  command({
    words: ['users', 'set'],
    summary:
      'Change the role or plan of a user, lock it out, or confirm its e-mail address; takes effect at once',
    positionals: WHO,
    options: {
      role: { choices: ROLES, describe: 'New role' },
      plan: { type: 'string', requiresArg: true, describe: "New plan; see 'fathomd plans list'" },
      active: {
        type: 'boolean',
        describe: 'Let the user sign in; --no-active locks it out and keeps its data',
      },
      verified: { type: 'boolean', describe: 'The e-mail address counts as proved; --no-verified undoes it' },
      ...COMMON,
    },
    async run(args, context) {
      const { setUser } = await import('./users-actions.ts');
      return setUser(args, context);
    },
  }),
  command({
    words: ['users', 'verify-mail'],
    summary: 'Send a user the mail that proves the e-mail address',
    positionals: WHO,
    options: COMMON,
    async run(args, context) {
      const { sendVerificationMail } = await import('./users-actions.ts');
      return sendVerificationMail(args, context);
    },
  }),
  command({
    words: ['users', 'sign-out'],
    summary: 'End all sessions, tokens and API keys of a user',
    positionals: WHO,
    options: {
      keys: { type: 'boolean', default: true, describe: 'Revoke the API keys as well; --no-keys keeps them' },
      ...COMMON,
    },
    async run(args, context) {
      const { signOutUser } = await import('./users-actions.ts');
      return signOutUser(args, context);
    },
  }),
  command({
    words: ['users', 'delete'],
    summary: 'Delete a user and its database; asks for the e-mail address, or reads it from stdin',
    positionals: WHO,
    options: COMMON,
    async run(args, context) {
      const { deleteUser } = await import('./users-actions.ts');
      return deleteUser(args, context);
    },
  }),
];
