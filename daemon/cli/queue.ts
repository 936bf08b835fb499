import type { PositionalOptions } from 'yargs';
import { TASK_STATUSES } from '../../shared/task.ts';
import { CHECK_OPTION, command, JSON_OPTION, TABLE_OPTIONS } from './command.ts';
import { CONNECT_OPTIONS } from './connect.ts';

const ID = {
  id: { type: 'string', demandOption: true, describe: 'as in the list' },
} as const satisfies Record<string, PositionalOptions>;

const COMMON = { ...JSON_OPTION, ...CONNECT_OPTIONS } as const;
const NUMBER = { type: 'number', requiresArg: true } as const;
const TEXT = { type: 'string', requiresArg: true } as const;

export const queueCommands = [
  command({
    words: ['queue', 'list'],
    summary: 'list tasks, the latest first',
    options: {
      status: { ...TEXT, choices: TASK_STATUSES, describe: 'only these' },
      type: { ...TEXT, describe: 'only those of this handler' },
      limit: { ...NUMBER, default: 50, describe: 'how many' },
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
    summary: 'show one task with everything that came of it',
    positionals: ID,
    options: COMMON,
    async run(args, context) {
      const { showTask } = await import('./queue-actions.ts');
      return showTask(args, context);
    },
  }),
  command({
    words: ['queue', 'add'],
    summary: 'add a task; a payload of - is read from stdin, which keeps secrets out of the process list',
    positionals: { type: { type: 'string', demandOption: true, describe: "a handler's name" } },
    options: {
      payload: { ...TEXT, describe: 'JSON, or - for stdin' },
      secret: { type: 'boolean', default: false, describe: 'keep the whole payload encrypted' },
      user: { ...TEXT, describe: 'id of the user whose database it works on' },
      priority: { ...NUMBER, describe: 'higher first (default 0)' },
      'run-at': { ...TEXT, describe: 'not before, like 2024-01-15T10:00:00Z' },
      'max-attempts': { ...NUMBER, describe: 'then it is dead (default 5)' },
      timeout: { ...NUMBER, describe: 'seconds that an attempt may take (default 300)' },
      'unique-key': { ...TEXT, describe: 'no second unfinished task with this key' },
      ...COMMON,
    },
    async run(args, context) {
      const { addTask } = await import('./queue-actions.ts');
      const { user, 'run-at': runAt, 'max-attempts': maxAttempts, 'unique-key': uniqueKey, ...rest } = args;
      return addTask({ ...rest, user, runAt, maxAttempts, uniqueKey }, context);
    },
  }),
  command({
    words: ['queue', 'retry'],
    summary: 'put a dead task back; with --signature all with that error',
    positionals: { id: { type: 'string', demandOption: true, describe: 'of a task, or a signature' } },
    options: {
      signature: { type: 'boolean', default: false, describe: 'what is named is an error, see queue dead' },
      ...COMMON,
    },
    async run(args, context) {
      const { retryTask } = await import('./queue-actions.ts');
      return retryTask(args, context);
    },
  }),
  command({
    words: ['queue', 'cancel'],
    summary: 'cancel a task; a running one is stopped',
    positionals: ID,
    options: COMMON,
    async run(args, context) {
      const { cancelTask } = await import('./queue-actions.ts');
      return cancelTask(args, context);
    },
  }),
  command({
    words: ['queue', 'pause'],
    summary: 'begin no more tasks, also after a restart; what runs goes on',
    options: COMMON,
    async run(args, context) {
      const { pauseQueue } = await import('./queue-actions.ts');
      return pauseQueue('pause', args, context);
    },
  }),
  command({
    words: ['queue', 'resume'],
    summary: 'begin tasks again',
    options: COMMON,
    async run(args, context) {
      const { pauseQueue } = await import('./queue-actions.ts');
      return pauseQueue('resume', args, context);
    },
  }),
  command({
    words: ['queue', 'dead'],
    summary: 'list the dead letters by their errors; --check fails while there are some',
    options: { ...TABLE_OPTIONS, ...CHECK_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listDead } = await import('./queue-actions.ts');
      return listDead(args, context);
    },
  }),
  command({
    words: ['queue', 'schedules'],
    summary: 'list the schedules; --check fails while one cannot add its task',
    options: { ...TABLE_OPTIONS, ...CHECK_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listSchedules } = await import('./schedule-actions.ts');
      return listSchedules(args, context);
    },
  }),
  command({
    words: ['queue', 'schedule'],
    summary: 'add or replace a schedule, which adds a task of a type again and again',
    positionals: {
      name: { type: 'string', demandOption: true, describe: 'of the schedule' },
      type: { type: 'string', demandOption: true, describe: "a handler's name" },
    },
    options: {
      cron: { ...TEXT, demandOption: true, describe: "like '0 6 * * *'; six fields begin with seconds" },
      timezone: { ...TEXT, describe: 'like Europe/Berlin (default UTC)' },
      payload: { ...TEXT, describe: 'JSON, or - for stdin; without secrets' },
      user: { ...TEXT, describe: 'id of the user whose database it works on' },
      ...COMMON,
    },
    async run(args, context) {
      const { setSchedule } = await import('./schedule-actions.ts');
      return setSchedule(args, context);
    },
  }),
  command({
    words: ['queue', 'unschedule'],
    summary: 'remove a schedule; its tasks that are there stay',
    positionals: { name: { type: 'string', demandOption: true, describe: 'of the schedule' } },
    options: COMMON,
    async run(args, context) {
      const { removeSchedule } = await import('./schedule-actions.ts');
      return removeSchedule(args, context);
    },
  }),
];
