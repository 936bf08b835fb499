import { CHECK_OPTION, command, JSON_OPTION, SETTINGS_OPTIONS } from './command.ts';
import { CONNECT_OPTIONS } from './connect.ts';

/** Setting up a host and looking at it. */
export const hostCommands = [
  command({
    words: ['init'],
    summary: 'write an env file with fresh secrets; never overwrites',
    options: {
      'env-file': { type: 'string', requiresArg: true, describe: 'the file to write (default: .env)' },
    },
    async run(args, context) {
      const { init } = await import('./init.ts');
      return init({ envFile: args['env-file'] }, context);
    },
  }),
  command({
    words: ['doctor'],
    summary: 'check this host and say what to do about each finding',
    options: {
      ...JSON_OPTION,
      fix: {
        type: 'boolean',
        default: false,
        describe: 'mend what is safe: modes, a stale socket, what was left half made; never data',
      },
      check: {
        ...CHECK_OPTION.check,
        describe: 'exit with 1 for a warning as well, not only for what is fatal',
      },
      ...SETTINGS_OPTIONS,
    },
    async run(args, context) {
      const { doctor } = await import('./doctor.ts');
      return doctor({ ...args, envFile: args['env-file'], dataDir: args['data-dir'] }, context);
    },
  }),
  command({
    words: ['status'],
    summary: 'the daemon at a glance',
    options: { ...JSON_OPTION, ...CHECK_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { status } = await import('./status.ts');
      return status(args, context);
    },
  }),
];
