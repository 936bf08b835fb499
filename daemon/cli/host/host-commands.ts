import { CHECK_OPTION, command, JSON_OPTION, SETTINGS_OPTIONS } from '../command.ts';
import { SHELLS } from '../completion/scripts.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

/** Commands that set up and check the host. */
export const hostCommands = [
  command({
    words: ['init'],
    summary: 'Write an env file with new secrets, or fill those that are empty in a copy of .env.sample',
    options: {
      'env-file': { type: 'string', requiresArg: true, describe: 'File to write (default .env)' },
    },
    async run(args, context) {
      const { init } = await import('./init.ts');
      return init({ envFile: args['env-file'] }, context);
    },
  }),
  command({
    words: ['doctor'],
    summary: 'Check this host and show what to do about each finding',
    options: {
      ...JSON_OPTION,
      fix: {
        type: 'boolean',
        default: false,
        describe: 'Repair what is safe: file modes, a stale socket, unfinished directories; never data',
      },
      check: {
        ...CHECK_OPTION.check,
        describe: 'Exit with 1 for warnings as well, not only for fatal findings',
      },
      advisories: {
        type: 'string',
        requiresArg: true,
        describe: 'File or https address of a newer list of advisories (docs/upgrades.md)',
      },
      'end-to-end': {
        type: 'boolean',
        default: false,
        describe: 'Also create an account, use its database as a user does, and delete both',
      },
      ...SETTINGS_OPTIONS,
    },
    async run(args, context) {
      const { doctor } = await import('./doctor.ts');
      const { 'env-file': envFile, 'data-dir': dataDir, 'end-to-end': endToEnd } = args;
      return doctor({ ...args, envFile, dataDir, endToEnd }, context);
    },
  }),
  command({
    words: ['status'],
    summary: 'Show the state of the daemon',
    options: { ...JSON_OPTION, ...CHECK_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { status } = await import('./status.ts');
      return status(args, context);
    },
  }),
  command({
    words: ['alerts', 'test'],
    summary: 'Send a test message to every channel of alerts, and show what happened',
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { testAlerts } = await import('./alert-actions.ts');
      return testAlerts(args, context);
    },
  }),
  command({
    words: ['completion'],
    summary: 'Print the script with which a shell completes commands, options and names of databases',
    positionals: {
      shell: { choices: SHELLS, demandOption: true, describe: 'Your shell' },
    },
    async run({ shell }, { stdout }) {
      const { SCRIPTS } = await import('../completion/scripts.ts');
      stdout.write(SCRIPTS[shell]);
      return 0;
    },
  }),
];
