import { command, JSON_OPTION } from '../command.ts';
import { CONNECT_OPTIONS, LOCAL_OPTIONS } from '../connect.ts';

const DEFAULT_PARALLEL = 4;

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
      at: {
        type: 'string',
        requiresArg: true,
        describe:
          'Restore the replica as it was at this time: 14:05:30, 2026-11-27T14:05:30, or with Z at its end',
      },
      'into-new': {
        type: 'boolean',
        default: false,
        describe: 'Refused: a user has exactly one database',
      },
      'without-backup': {
        type: 'boolean',
        default: false,
        describe: 'Also restore when the backup of the data of now fails',
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
  command({
    words: ['backups', 'export'],
    summary: 'Save a backup as a tar archive, or one of its collections as CSV or JSON, in a new file',
    positionals: {
      name: { type: 'string', demandOption: true, describe: "Name of a database, see 'databases list'" },
      file: { type: 'string', demandOption: true, describe: 'File to create' },
    },
    options: {
      id: { type: 'string', requiresArg: true, describe: 'Id of the backup (default: the last one)' },
      collection: { type: 'string', requiresArg: true, describe: 'Only the records of this collection' },
      format: {
        type: 'string',
        choices: ['csv', 'json'],
        requiresArg: true,
        describe: 'Format of the records (default: csv)',
      },
      ...JSON_OPTION,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { exportBackup } = await import('./export-actions.ts');
      return exportBackup(args, context);
    },
  }),
  command({
    words: ['backups', 'import'],
    summary:
      "Make an archive of 'backups export' the database of a user; asks for the address, or reads it from stdin",
    positionals: {
      file: { type: 'string', demandOption: true, describe: 'Archive, of this or another deployment' },
    },
    options: {
      owner: {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'Id or e-mail address of the user',
      },
      'without-backup': {
        type: 'boolean',
        default: false,
        describe: 'Also import when the backup of the data of now fails',
      },
      yes: { type: 'boolean', default: false, describe: 'Do not ask' },
      ...JSON_OPTION,
      ...LOCAL_OPTIONS,
    },
    async run(args, context) {
      const { importArchive } = await import('./import-actions.ts');
      return importArchive(args, context);
    },
  }),
  command({
    words: ['restore'],
    summary: 'Restore a whole host from its backups into an empty data directory; run it again to continue',
    options: {
      from: {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'Target with the backups, as in BACKUP_TARGET',
      },
      'recovery-key': {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'File with the recovery key',
      },
      'data-dir': { type: 'string', requiresArg: true, describe: 'Data directory to create, as for serve' },
      parallel: {
        type: 'number',
        default: DEFAULT_PARALLEL,
        requiresArg: true,
        describe: 'Databases that are restored at the same time',
      },
      ...JSON_OPTION,
    },
    async run(args, context) {
      const { restoreWholeHost } = await import('./restore-host-action.ts');
      return restoreWholeHost(args, context);
    },
  }),
];
