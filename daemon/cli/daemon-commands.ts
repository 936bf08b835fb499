import { command, JSON_OPTION } from './command.ts';
import { LOCAL_OPTIONS } from './connect.ts';

const DATA_DIR = {
  type: 'string',
  requiresArg: true,
  describe: 'where everything is kept (FATHOM_DATA_DIR)',
} as const;
const ENV_FILE = {
  type: 'string',
  requiresArg: true,
  describe: 'settings and secrets, instead of .env and .env.local',
} as const;
const DEMO = {
  type: 'boolean',
  default: false,
  describe: 'add three users with databases and some tasks',
} as const;

/** The daemon itself. */
export const daemonCommands = [
  command({
    words: ['serve'],
    summary: 'run the daemon; needs its secrets, see init',
    options: { 'env-file': ENV_FILE, 'data-dir': DATA_DIR, demo: { ...DEMO, hidden: true } },
    async run(args, context) {
      const { serve } = await import('./serve.ts');
      return serve({ envFile: args['env-file'], dataDir: args['data-dir'], demo: args.demo }, context);
    },
  }),
  command({
    words: ['worker'],
    summary: 'a queue worker of its own process, beside the daemon',
    options: { 'env-file': ENV_FILE, 'data-dir': DATA_DIR },
    async run(args, context) {
      const { runWorker } = await import('./worker.ts');
      return runWorker({ envFile: args['env-file'], dataDir: args['data-dir'] }, context);
    },
  }),
  command({
    words: ['start'],
    summary: 'daemon and console together, with secrets made on the first start',
    options: { 'data-dir': DATA_DIR, demo: DEMO },
    async run(args, context) {
      const { start } = await import('./start.ts');
      return start({ dataDir: args['data-dir'], demo: args.demo }, context);
    },
  }),
  command({
    words: ['stop'],
    summary: 'stop the daemon and all databases, and wait for the end',
    options: {
      timeout: { type: 'number', requiresArg: true, describe: 'seconds to wait (default 90)' },
      ...JSON_OPTION,
      ...LOCAL_OPTIONS,
    },
    async run(args, context) {
      const { stopDaemon } = await import('./stop.ts');
      return stopDaemon(args, context);
    },
  }),
];
