import { command, JSON_OPTION } from '../command.ts';
import { LOCAL_OPTIONS } from '../connect.ts';
import { SETTING_OPTIONS, settingsIn } from './setting-options.ts';

const DATA_DIR = {
  type: 'string',
  requiresArg: true,
  describe: 'Directory for all data (FATHOM_DATA_DIR, default ./var)',
} as const;
const ENV_FILE = {
  type: 'string',
  requiresArg: true,
  describe: 'File with settings and secrets, read instead of .env and .env.local',
} as const;
const DEMO = {
  type: 'boolean',
  default: false,
  describe: 'Add three users with random passwords and databases, a project and some tasks',
} as const;

/** Commands that start and stop the daemon. */
export const daemonCommands = [
  command({
    words: ['serve'],
    summary: 'Run the daemon in the foreground; needs the secrets that init writes',
    options: {
      ...(SETTING_OPTIONS as object),
      'env-file': ENV_FILE,
      'data-dir': DATA_DIR,
      demo: { ...DEMO, hidden: true },
    },
    async run(args, context) {
      const { serve } = await import('./run/serve.ts');
      const { 'env-file': envFile, 'data-dir': dataDir, demo } = args;
      return serve({ envFile, dataDir, settings: settingsIn(args), demo }, context);
    },
  }),
  command({
    words: ['worker'],
    summary: 'Run an additional queue worker beside the daemon',
    options: { 'env-file': ENV_FILE, 'data-dir': DATA_DIR },
    async run(args, context) {
      const { runWorker } = await import('./run/worker.ts');
      return runWorker({ envFile: args['env-file'], dataDir: args['data-dir'] }, context);
    },
  }),
  command({
    words: ['start'],
    summary: 'Start the daemon and open the console; the first start creates the secrets',
    options: { 'data-dir': DATA_DIR, demo: DEMO },
    async run(args, context) {
      const { start } = await import('./start.ts');
      return start({ dataDir: args['data-dir'], demo: args.demo }, context);
    },
  }),
  command({
    words: ['stop'],
    summary: 'Stop the daemon and all databases, and wait until they have ended',
    options: {
      timeout: { type: 'number', requiresArg: true, describe: 'Seconds to wait (default 90)' },
      ...JSON_OPTION,
      ...LOCAL_OPTIONS,
    },
    async run(args, context) {
      const { stopDaemon } = await import('./stop.ts');
      return stopDaemon(args, context);
    },
  }),
];
