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
