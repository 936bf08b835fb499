import { type AnyCommand, command, JSON_OPTION } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

/** How a rollout goes through its databases. */
export const WAVE_OPTIONS = {
  canary: { type: 'number', requiresArg: true, describe: 'Databases of the first wave (default 1)' },
  wave: { type: 'number', requiresArg: true, describe: 'Databases of each later wave (default all)' },
  'max-failures': {
    type: 'number',
    requiresArg: true,
    describe: 'Failures after the first wave that do not halt it (default 1 %)',
  },
  watch: {
    type: 'number',
    requiresArg: true,
    describe: 'Seconds for which a changed database is watched (default 60)',
  },
  rehearse: { type: 'boolean', default: false, describe: 'Test each database on a clone first' },
  'without-backup': {
    type: 'boolean',
    default: false,
    describe: 'Also change databases whose backup before the change fails',
  },
  pause: { type: 'boolean', default: false, describe: 'Begin paused' },
  ...CONNECT_OPTIONS,
  ...JSON_OPTION,
} as const;

const ROLLOUT_OPTIONS = {
  databases: {
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'Names of databases (default: all that need it)',
  },
  ...WAVE_OPTIONS,
} as const;

function steer(how: 'pause' | 'resume' | 'abort', summary: string): AnyCommand {
  return command({
    words: ['pocketbase', how],
    summary,
    options: { ...CONNECT_OPTIONS, ...JSON_OPTION },
    async run(args, context) {
      const { steerRollout } = await import('./rollout-actions.ts');
      return steerRollout(how, args, context);
    },
  });
}

function toVersion(how: 'upgrade' | 'rollback', summary: string): AnyCommand {
  return command({
    words: ['pocketbase', how],
    summary,
    positionals: { release: { type: 'string', demandOption: true, describe: 'Version, like 0.40.6' } },
    options: {
      'dry-run': { type: 'boolean', default: false, describe: 'Show what it would do' },
      ...ROLLOUT_OPTIONS,
    },
    async run(args, context) {
      const { upgradePocketBase } = await import('./rollout-actions.ts');
      return upgradePocketBase(args, { back: how === 'rollback' }, context);
    },
  });
}

/** Commands that change many databases. */
export const rolloutCommands = [
  toVersion('upgrade', 'Change databases to another PocketBase in waves, each with a copy and a test'),
  toVersion('rollback', 'Take databases with a newer PocketBase back to an older one, in the same way'),
  command({
    words: ['pocketbase', 'status'],
    summary: 'Show the last rollout; exit 1 when a database failed',
    options: {
      follow: { type: 'boolean', default: false, describe: 'Show the progress until it ends' },
      ...CONNECT_OPTIONS,
      ...JSON_OPTION,
    },
    async run(args, context) {
      const { showRollout } = await import('./rollout-actions.ts');
      return showRollout(args, context);
    },
  }),
  steer('pause', 'Begin no further database of a rollout until a resume'),
  steer('resume', 'Continue a paused or halted rollout; after a halt, failures until now are accepted'),
  steer('abort', 'End a rollout; changed databases stay changed'),
  command({
    words: ['migrations', 'plan'],
    summary: 'Show which databases lack which migrations',
    options: ROLLOUT_OPTIONS,
    async run(args, context) {
      const { planMigrations } = await import('./rollout-actions.ts');
      return planMigrations(args, context);
    },
  }),
  command({
    words: ['migrations', 'apply'],
    summary: 'Apply migrations to databases in waves, each with a copy and a test',
    options: ROLLOUT_OPTIONS,
    async run(args, context) {
      const { applyMigrations } = await import('./rollout-actions.ts');
      return applyMigrations(args, context);
    },
  }),
];
