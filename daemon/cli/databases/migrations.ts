import { CHECK_OPTION, command, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

export const migrationCommands = [
  command({
    words: ['migrations', 'status'],
    summary: 'Show the migrations of user databases, and why they are refused',
    options: { ...CHECK_OPTION, ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { showMigrations } = await import('./migrations-action.ts');
      return showMigrations(args, context);
    },
  }),
];
