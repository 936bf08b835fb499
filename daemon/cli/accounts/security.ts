import { PERMISSION_NAMES } from '../../../shared/api/accounts/permissions.ts';
import { CHECK_OPTION, command, JSON_OPTION, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

export const securityCommands = [
  command({
    words: ['keys', 'list'],
    summary: 'List API keys',
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listKeys } = await import('./security-actions.ts');
      return listKeys(args, context);
    },
  }),
  command({
    words: ['keys', 'add'],
    summary: 'Create an API key and show it once',
    positionals: {
      user: { type: 'string', demandOption: true, describe: 'Owner of the key: e-mail address or id' },
    },
    options: {
      name: { type: 'string', requiresArg: true, demandOption: true, describe: 'Purpose of the key' },
      permission: {
        choices: PERMISSION_NAMES,
        array: true,
        requiresArg: true,
        describe: 'Limit the key to this permission; repeat for more (default: all permissions of the user)',
      },
      expires: {
        type: 'string',
        requiresArg: true,
        describe: 'Time when the key expires, like 2030-01-31T00:00:00Z (default: never)',
      },
      ...JSON_OPTION,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { addKey } = await import('./security-actions.ts');
      return addKey(args, context);
    },
  }),
  command({
    words: ['keys', 'revoke'],
    summary: 'Revoke an API key',
    positionals: { id: { type: 'string', demandOption: true, describe: "Id of the key, see 'keys list'" } },
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { revokeKey } = await import('./security-actions.ts');
      return revokeKey(args, context);
    },
  }),
  command({
    words: ['audit', 'list'],
    summary: 'List entries of the audit log, the newest first',
    options: {
      action: { type: 'string', requiresArg: true, describe: 'Show only this action, like user.create' },
      actor: {
        type: 'string',
        requiresArg: true,
        describe: 'Show only actions of this user id, or of local',
      },
      target: { type: 'string', requiresArg: true, describe: 'Show only actions on this target' },
      outcome: {
        choices: ['ok', 'refused', 'failed'],
        requiresArg: true,
        describe: 'Show only entries with this outcome',
      },
      limit: {
        type: 'number',
        default: 50,
        requiresArg: true,
        describe: 'Number of entries to show, at most 500',
      },
      page: {
        type: 'number',
        default: 1,
        requiresArg: true,
        describe: 'Page to show, of --limit entries each',
      },
      ...TABLE_OPTIONS,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { listAudit } = await import('./security-actions.ts');
      return listAudit(args, context);
    },
  }),
  command({
    words: ['audit', 'verify'],
    summary:
      'List all entries of the audit log that were edited or are missing; exit with 1 if there are any',
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { verifyAudit } = await import('./security-actions.ts');
      return verifyAudit(args, context);
    },
  }),
  command({
    words: ['audit', 'archive'],
    summary: 'Show the files with old entries of the audit log',
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { showArchive } = await import('./security-actions.ts');
      return showArchive(args, context);
    },
  }),
  command({
    words: ['secrets', 'status'],
    summary: 'Show which master keys the stored secrets need',
    options: { ...TABLE_OPTIONS, ...CHECK_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { showSecrets } = await import('./security-actions.ts');
      return showSecrets(args, context);
    },
  }),
  command({
    words: ['secrets', 'rotate'],
    summary: 'Wrap the keys of all stored secrets with the current AES_MASTER_KEY; safe to repeat',
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { rotateSecrets } = await import('./security-actions.ts');
      return rotateSecrets(args, context);
    },
  }),
];
