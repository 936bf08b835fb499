import { type AnyCommand, command, JSON_OPTION, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';
import { WAVE_OPTIONS } from '../rollouts/rollout-commands.ts';

function change(action: 'add' | 'remove', summary: string): AnyCommand {
  return command({
    words: ['apps', action],
    summary,
    positionals: {
      name: { type: 'string', demandOption: true, describe: 'Name of the application' },
      database: { type: 'string', array: true, describe: 'Names of databases' },
    },
    options: {
      all: { type: 'boolean', default: false, describe: 'Change all databases' },
      'dry-run': { type: 'boolean', default: false, describe: 'Show what it would do' },
      ...WAVE_OPTIONS,
    },
    async run(args, context) {
      const { changeApplication } = await import('../rollouts/rollout-actions.ts');
      return changeApplication(action, args, context);
    },
  });
}

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
  change('add', 'Add an application to databases in waves, each with a copy and a test'),
  change('remove', 'Remove the hooks and static files of an application from databases; records stay'),
];
