import type { PositionalOptions } from 'yargs';
import { TASK_STATUSES } from '../../../shared/task.ts';
import { CHECK_OPTION, command, JSON_OPTION, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

const ID = {
  id: { type: 'string', demandOption: true, describe: "Id of a task, see 'queue list'" },
} as const satisfies Record<string, PositionalOptions>;

const COMMON = { ...JSON_OPTION, ...CONNECT_OPTIONS } as const;
const NUMBER = { type: 'number', requiresArg: true } as const;
const TEXT = { type: 'string', requiresArg: true } as const;

export const queueCommands = [
  command({
    words: ['queue', 'list'],
    summary: 'List tasks, the latest first',
    options: {
      status: { ...TEXT, choices: TASK_STATUSES, describe: 'Show only tasks with this status' },
      type: { ...TEXT, describe: 'Show only tasks of this type' },
      limit: { ...NUMBER, default: 50, describe: 'Number of tasks to show' },
      ...TABLE_OPTIONS,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { listTasks } = await import('./queue-actions.ts');
      return listTasks(args, context);
    },
  }),
  command({
    words: ['queue', 'show'],
    summary: 'Show a task with payload, result and errors',
    positionals: ID,
    options: COMMON,
    async run(args, context) {
      const { showTask } = await import('./queue-actions.ts');
      return showTask(args, context);
    },
  }),
  command({
    words: ['queue', 'add'],
    summary: 'Add a task',
    positionals: {
      type: { type: 'string', demandOption: true, describe: 'Type of the task: the name of its handler' },
    },
    options: {
      payload: {
        ...TEXT,
        describe: 'JSON, or - to read it from stdin, which hides secrets from the process list',
      },
      secret: { type: 'boolean', default: false, describe: 'Store the whole payload encrypted' },
      user: { ...TEXT, describe: 'Id of the user whose database the task works on' },
      priority: { ...NUMBER, describe: 'Tasks with a higher number run first (default 0)' },
      'run-at': { ...TEXT, describe: 'Earliest time to run, like 2024-01-15T10:00:00Z' },
      'max-attempts': { ...NUMBER, describe: 'Attempts before the task is dead (default 5)' },
      timeout: { ...NUMBER, describe: 'Seconds that an attempt may take (default 300)' },
      'unique-key': { ...TEXT, describe: 'Add nothing while a task with this key is not finished' },
      ...COMMON,
    },
    async run(args, context) {
      const { addTask } = await import('./queue-actions.ts');
      const { user, 'run-at': runAt, 'max-attempts': maxAttempts, 'unique-key': uniqueKey, ...rest } = args;
      return addTask({ ...rest, user, runAt, maxAttempts, uniqueKey }, context);
    },
  }),
  command({
    words: ['queue', 'types'],
    summary: 'List the types of tasks that owners can add; --json shows the schemas of their payloads',
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listTypes } = await import('./queue-actions.ts');
      return listTypes(args, context);
    },
  }),
  command({
    words: ['queue', 'retry'],
    summary: 'Retry a dead task, or all dead tasks with one error',
    positionals: {
      id: {
        type: 'string',
        demandOption: true,
        describe: "Id of a task; with --signature an error, see 'queue dead'",
      },
    },
    options: {
      signature: { type: 'boolean', default: false, describe: 'Retry all dead tasks with the given error' },
      ...COMMON,
    },
    async run(args, context) {
      const { retryTask } = await import('./queue-actions.ts');
      return retryTask(args, context);
    },
  }),
  command({
    words: ['queue', 'cancel'],
    summary: 'Cancel a task; a running task is stopped',
    positionals: ID,
    options: COMMON,
    async run(args, context) {
      const { cancelTask } = await import('./queue-actions.ts');
      return cancelTask(args, context);
    },
  }),
  command({
    words: ['queue', 'pause'],
    summary: 'Start no more tasks until resume, also after a restart; running tasks go on',
    options: COMMON,
    async run(args, context) {
      const { pauseQueue } = await import('./queue-actions.ts');
      return pauseQueue('pause', args, context);
    },
  }),
  command({
    words: ['queue', 'resume'],
    summary: 'Start tasks again after pause',
    options: COMMON,
    async run(args, context) {
      const { pauseQueue } = await import('./queue-actions.ts');
      return pauseQueue('resume', args, context);
    },
  }),
  command({
    words: ['queue', 'dead'],
    summary: 'List dead tasks, grouped by error',
    options: { ...TABLE_OPTIONS, ...CHECK_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listDead } = await import('./queue-actions.ts');
      return listDead(args, context);
    },
  }),
  command({
    words: ['queue', 'schedules'],
    summary: 'List schedules',
    options: { ...TABLE_OPTIONS, ...CHECK_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listSchedules } = await import('./schedule-actions.ts');
      return listSchedules(args, context);
    },
  }),
  command({
    words: ['queue', 'schedule'],
    summary: 'Add or replace a schedule, which adds a task at each time of a cron expression',
    positionals: {
      name: { type: 'string', demandOption: true, describe: 'Name of the schedule' },
      type: { type: 'string', demandOption: true, describe: 'Type of the task: the name of its handler' },
    },
    options: {
      cron: {
        ...TEXT,
        demandOption: true,
        describe: "Cron expression like '0 6 * * *'; with six fields, the first is seconds",
      },
      timezone: { ...TEXT, describe: 'Time zone, like Europe/Berlin (default UTC)' },
      payload: { ...TEXT, describe: 'JSON, or - to read it from stdin; secrets are not possible' },
      user: { ...TEXT, describe: 'Id of the user whose database the task works on' },
      all: {
        type: 'boolean',
        default: false,
        describe: 'Add a task for each database that is not stopped or archived',
      },
      spread: {
        ...NUMBER,
        describe: 'With --all: seconds after each match in which the tasks are added (default 3600)',
      },
      ...COMMON,
    },
    async run(args, context) {
      const { setSchedule } = await import('./schedule-actions.ts');
      return setSchedule(args, context);
    },
  }),
  command({
    words: ['queue', 'unschedule'],
    summary: 'Remove a schedule; tasks that it added stay',
    positionals: { name: { type: 'string', demandOption: true, describe: 'Name of the schedule' } },
    options: COMMON,
    async run(args, context) {
      const { removeSchedule } = await import('./schedule-actions.ts');
      return removeSchedule(args, context);
    },
  }),
];
