import { command, JSON_OPTION } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

/** Commands that bring databases back. */
export const restoreCommands = [
  command({
    words: ['backups', 'restore'],
    summary: 'Replace the data of a database by a backup; asks for the name, or reads it from stdin',
    positionals: {
      name: { type: 'string', demandOption: true, describe: "Name of a database, see 'databases list'" },
    },
    options: {
      backup: { type: 'string', requiresArg: true, describe: 'Id of the backup (default: the last one)' },
      'into-new': {
        type: 'boolean',
        default: false,
        describe: 'Refused: a user has exactly one database',
      },
      yes: { type: 'boolean', default: false, describe: 'Do not ask' },
      ...JSON_OPTION,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { restoreDatabase } = await import('./restore-actions.ts');
      return restoreDatabase(args, context);
    },
  }),
];
