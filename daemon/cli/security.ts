import { CHECK_OPTION, command, JSON_OPTION, TABLE_OPTIONS } from './command.ts';
import { CONNECT_OPTIONS } from './connect.ts';

export const securityCommands = [
  command({
    words: ['keys', 'list'],
    summary: 'list API keys',
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listKeys } = await import('./security-actions.ts');
      return listKeys(args, context);
    },
  }),
  command({
    words: ['keys', 'add'],
    summary: 'make an API key; it is shown once',
    positionals: {
      user: { type: 'string', demandOption: true, describe: 'whose key it is: e-mail address or id' },
    },
    options: {
      name: { type: 'string', requiresArg: true, demandOption: true, describe: 'what it is for' },
      permission: {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'confine it to this permission; all that its user may do, if left out',
      },
      expires: { type: 'string', requiresArg: true, describe: 'when it ends, like 2030-01-31T00:00:00Z' },
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
    summary: 'end an API key at once',
    positionals: { id: { type: 'string', demandOption: true, describe: 'id of the key' } },
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { revokeKey } = await import('./security-actions.ts');
      return revokeKey(args, context);
    },
  }),
  command({
    words: ['audit', 'list'],
    summary: 'the last entries of the audit log, the newest first',
    options: {
      action: { type: 'string', requiresArg: true, describe: 'only this, like users.create' },
      actor: { type: 'string', requiresArg: true, describe: 'only what this one did' },
      target: { type: 'string', requiresArg: true, describe: 'only what was done to this' },
      outcome: { choices: ['ok', 'refused', 'failed'], requiresArg: true, describe: 'only these' },
      limit: { type: 'number', default: 50, requiresArg: true, describe: 'how many, at most 500' },
      page: {
        type: 'number',
        default: 1,
        requiresArg: true,
        describe: 'of so many; 2 goes on after the first',
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
    summary: 'check that no entry of the audit log was edited or is missing; ends with 1 if one is',
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { verifyAudit } = await import('./security-actions.ts');
      return verifyAudit(args, context);
    },
  }),
  command({
    words: ['secrets', 'status'],
    summary: 'which master keys the stored secrets need; --check fails while one is an earlier one',
    options: { ...TABLE_OPTIONS, ...CHECK_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { showSecrets } = await import('./security-actions.ts');
      return showSecrets(args, context);
    },
  }),
  command({
    words: ['secrets', 'rotate'],
    summary:
      'wrap the keys of all stored secrets with AES_MASTER_KEY; can be repeated, and goes on where it was cut short',
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { rotateSecrets } = await import('./security-actions.ts');
      return rotateSecrets(args, context);
    },
  }),
];
