import { command, JSON_OPTION, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

/** Commands of applications. */
export const appCommands = [
  command({
    words: ['apps', 'list'],
    summary: 'List the applications of user databases',
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listApps } = await import('./apps-actions.ts');
      return listApps(args, context);
    },
  }),
  command({
    words: ['apps', 'check'],
    summary: 'Test applications on scratch databases; exit 1 when one does not work',
    positionals: {
      name: { type: 'string', array: true, describe: 'Names of applications (default: all)' },
    },
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { checkApps } = await import('./apps-actions.ts');
      return checkApps(args, context);
    },
  }),
];
