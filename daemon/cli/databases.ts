import type { PositionalOptions } from 'yargs';
import { LOG_LEVELS, LOG_SOURCES } from '../../shared/events.ts';
import { INSTANCE_PHASES } from '../../shared/instance.ts';
import { CHECK_OPTION, command, JSON_OPTION, TABLE_OPTIONS } from './command.ts';
import { CONNECT_OPTIONS } from './connect.ts';

const NAME = {
  name: { type: 'string', demandOption: true, describe: 'as in the list' },
} as const satisfies Record<string, PositionalOptions>;

const NAMES = {
  name: { type: 'string', array: true, demandOption: true, describe: 'as in the list; may be several' },
} as const satisfies Record<string, PositionalOptions>;

const COMMON = { ...JSON_OPTION, ...CONNECT_OPTIONS } as const;

function logsCommand(words: ['logs'] | ['databases', 'logs']) {
  return command({
    words,
    summary: 'show the logs of an instance',
    positionals: NAME,
    options: {
      tail: { type: 'number', default: 200, requiresArg: true, describe: 'how many lines' },
      follow: { type: 'boolean', alias: 'f', default: false, describe: 'go on with new ones until Ctrl-C' },
      source: {
        choices: LOG_SOURCES,
        default: 'all' as const,
        requiresArg: true,
        describe: "what the process printed, PocketBase's log of requests and mails, or both by time",
      },
      level: {
        choices: LOG_LEVELS,
        requiresArg: true,
        describe: 'least level of requests (default: warn; info with --source requests)',
      },
      ...COMMON,
    },
    async run(args, context) {
      const { showLogs } = await import('./logs-action.ts');
      return showLogs(args, context);
    },
  });
}

export const databaseCommands = [
  command({
    words: ['databases', 'list'],
    summary: 'list databases and how they are',
    options: {
      phase: { choices: INSTANCE_PHASES, requiresArg: true, describe: 'only these' },
      ...CHECK_OPTION,
      ...TABLE_OPTIONS,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      const { listDatabases } = await import('./databases-actions.ts');
      return listDatabases(args, context);
    },
  }),
  command({
    words: ['databases', 'show'],
    summary: 'show one with all that is known of it',
    positionals: NAME,
    options: COMMON,
    async run(args, context) {
      const { showDatabase } = await import('./databases-browse.ts');
      return showDatabase(args, context);
    },
  }),
  command({
    words: ['databases', 'collections'],
    summary: 'list the collections of one',
    positionals: NAME,
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listCollections } = await import('./databases-browse.ts');
      return listCollections(args, context);
    },
  }),
  command({
    words: ['databases', 'records'],
    summary: 'show a page of the records of a collection, without what is secret',
    positionals: {
      ...NAME,
      collection: { type: 'string', demandOption: true, describe: 'as in databases collections' },
    },
    options: {
      page: { type: 'number', default: 1, requiresArg: true, describe: 'of 50 records each' },
      ...COMMON,
    },
    async run(args, context) {
      const { listRecords } = await import('./databases-browse.ts');
      return listRecords(args, context);
    },
  }),
  command({
    words: ['databases', 'start'],
    summary: 'start some and wait until they run',
    positionals: NAMES,
    options: {
      force: { type: 'boolean', default: false, describe: 'even if it was given up on' },
      ...COMMON,
    },
    async run(args, context) {
      const { actOnDatabases } = await import('./databases-actions.ts');
      return actOnDatabases('start', args, context);
    },
  }),
  command({
    words: ['databases', 'stop'],
    summary: 'stop some and keep them stopped',
    positionals: NAMES,
    options: COMMON,
    async run(args, context) {
      const { actOnDatabases } = await import('./databases-actions.ts');
      return actOnDatabases('stop', args, context);
    },
  }),
  command({
    words: ['databases', 'restart'],
    summary: 'stop some, start them and wait until they run',
    positionals: NAMES,
    options: COMMON,
    async run(args, context) {
      const { actOnDatabases } = await import('./databases-actions.ts');
      return actOnDatabases('restart', args, context);
    },
  }),
  command({
    words: ['databases', 'delete'],
    summary: 'delete one with everything in it; its name is asked for, or read from stdin',
    positionals: NAME,
    options: COMMON,
    async run(args, context) {
      const { deleteDatabase } = await import('./databases-actions.ts');
      return deleteDatabase(args, context);
    },
  }),
  logsCommand(['databases', 'logs']),
  logsCommand(['logs']),
];
