import { command, JSON_OPTION, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

/** Commands about backups. */
export const backupCommands = [
  command({
    words: ['backups', 'list'],
    summary: 'List the last backup of each database, or all backups of one',
    positionals: {
      name: { type: 'string', describe: "Name of a database, or 'global' for the control plane" },
    },
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listBackups } = await import('./backup-actions.ts');
      return listBackups(args, context);
    },
  }),
  command({
    words: ['backups', 'create'],
    summary: 'Back up databases now; exit with 1 when one fails',
    positionals: {
      names: { type: 'string', array: true, describe: "Names of databases, 'global' for the control plane" },
    },
    options: {
      all: { type: 'boolean', default: false, describe: 'Back up everything that has changed' },
      ...JSON_OPTION,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { createBackups } = await import('./backup-actions.ts');
      return createBackups(args, context);
    },
  }),
  command({
    words: ['backups', 'prune'],
    summary: 'Remove the backups that BACKUP_KEEP does not keep; exit with 1 when a database fails',
    positionals: {
      names: { type: 'string', array: true, describe: 'Names of databases; without one, all' },
    },
    options: {
      'dry-run': { type: 'boolean', default: false, describe: 'Show what would be removed' },
      ...JSON_OPTION,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { pruneBackups } = await import('./upkeep-actions.ts');
      return pruneBackups(args, context);
    },
  }),
  command({
    words: ['backups', 'verify'],
    summary: 'Read every part of the backups of a database; exit with 1 when one is damaged',
    positionals: {
      name: { type: 'string', demandOption: true, describe: "Name of a database, or 'global'" },
      ids: { type: 'string', array: true, describe: 'Ids of backups; without one, all' },
    },
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { verifyBackups } = await import('./upkeep-actions.ts');
      return verifyBackups(args, context);
    },
  }),
  command({
    words: ['backups', 'drill'],
    summary: 'Restore the last backup beside its database, start and test it; exit with 1 when one fails',
    positionals: {
      names: {
        type: 'string',
        array: true,
        describe: "Names of databases, or 'global'; without one, the database whose drill is the oldest",
      },
    },
    options: {
      'recovery-key': {
        type: 'string',
        requiresArg: true,
        describe:
          'File with the recovery key, which opens the secrets on the target. It is not sent to the daemon',
      },
      ...JSON_OPTION,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { drillBackups } = await import('./drill-actions.ts');
      return drillBackups(args, context);
    },
  }),
  command({
    words: ['backups', 'recovery-key'],
    summary: 'Create the key that opens backups without this host, and show it once',
    options: {
      replace: {
        type: 'boolean',
        default: false,
        describe: 'Create another one; the present one then opens no backup any more',
      },
      ...JSON_OPTION,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { createRecoveryKey } = await import('./backup-actions.ts');
      return createRecoveryKey(args, context);
    },
  }),
];
