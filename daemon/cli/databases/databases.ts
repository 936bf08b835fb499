import type { PositionalOptions } from 'yargs';
import { LOG_LEVELS, LOG_SOURCES } from '../../../shared/events.ts';
import { INSTANCE_PHASES } from '../../../shared/instance.ts';
import { CHECK_OPTION, command, JSON_OPTION, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

const NAME = {
  name: { type: 'string', demandOption: true, describe: "Name of a database, see 'databases list'" },
} as const satisfies Record<string, PositionalOptions>;

const NAMES = {
  name: {
    type: 'string',
    array: true,
    demandOption: true,
    describe: "Names of databases, see 'databases list'",
  },
} as const satisfies Record<string, PositionalOptions>;

const COMMON = { ...JSON_OPTION, ...CONNECT_OPTIONS } as const;

function logsCommand(words: ['logs'] | ['databases', 'logs']) {
  return command({
    words,
    summary: 'Show the logs of a database',
    positionals: NAME,
    options: {
      tail: { type: 'number', default: 200, requiresArg: true, describe: 'Number of lines to show' },
      follow: {
        type: 'boolean',
        alias: 'f',
        default: false,
        describe: 'Show new lines as they appear, until Ctrl-C',
      },
      source: {
        choices: LOG_SOURCES,
        default: 'all' as const,
        requiresArg: true,
        describe: "Output of the process, PocketBase's log of requests and mails, or both by time",
      },
      level: {
        choices: LOG_LEVELS,
        requiresArg: true,
        describe: 'Lowest level of requests to show (default: warn; info with --source requests)',
      },
      ...COMMON,
    },
    async run(args, context) {
      const { showLogs } = await import('./logs-action.ts');
      return showLogs(args, context);
    },
  });
}

function actionCommand(action: 'stop' | 'restart' | 'wake', summary: string) {
  return command({
    words: ['databases', action],
    summary,
    positionals: NAMES,
    options: COMMON,
    async run(args, context) {
      const { actOnDatabases } = await import('./databases-actions.ts');
      return actOnDatabases(action, args, context);
    },
  });
}

export const databaseCommands = [
  command({
    words: ['databases', 'list'],
    summary: 'List databases with their state',
    options: {
      phase: { choices: INSTANCE_PHASES, requiresArg: true, describe: 'Show only databases in this phase' },
      deleted: {
        type: 'boolean',
        default: false,
        describe: 'List deleted databases instead, and those whose backups are not erased yet',
      },
      ...CHECK_OPTION,
      ...TABLE_OPTIONS,
      ...CONNECT_OPTIONS,
    },
    async run(args, context) {
      if (args.deleted) {
        const { listDeletedDatabases } = await import('./trash-actions.ts');
        return listDeletedDatabases(args, context);
      }
      const { listDatabases } = await import('./databases-actions.ts');
      return listDatabases(args, context);
    },
  }),
  command({
    words: ['databases', 'show'],
    summary: 'Show everything that is known about a database',
    positionals: NAME,
    options: COMMON,
    async run(args, context) {
      const { showDatabase } = await import('./databases-browse.ts');
      return showDatabase(args, context);
    },
  }),
  command({
    words: ['databases', 'usage'],
    summary: 'Show the size and growth of databases, the largest first, or the history of one',
    positionals: {
      name: { type: 'string', describe: "Name of a database, see 'databases list' (default: all)" },
    },
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { showUsage } = await import('./usage-action.ts');
      return showUsage(args, context);
    },
  }),
  command({
    words: ['databases', 'collections'],
    summary: 'List the collections of a database',
    positionals: NAME,
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listCollections } = await import('./databases-browse.ts');
      return listCollections(args, context);
    },
  }),
  command({
    words: ['databases', 'records'],
    summary: 'Show records of a collection; secrets and hidden fields are left out',
    positionals: {
      ...NAME,
      collection: {
        type: 'string',
        demandOption: true,
        describe: "Name of a collection, see 'databases collections'",
      },
    },
    options: {
      page: { type: 'number', default: 1, requiresArg: true, describe: 'Page to show, of 50 records each' },
      ...COMMON,
    },
    async run(args, context) {
      const { listRecords } = await import('./databases-browse.ts');
      return listRecords(args, context);
    },
  }),
  command({
    words: ['databases', 'start'],
    summary: 'Start databases and wait until they run',
    positionals: NAMES,
    options: {
      force: {
        type: 'boolean',
        default: false,
        hidden: true,
        describe: 'Accepted for older scripts: start leaves the phase failed in any case',
      },
      ...COMMON,
    },
    async run(args, context) {
      const { actOnDatabases } = await import('./databases-actions.ts');
      return actOnDatabases('start', args, context);
    },
  }),
  actionCommand('stop', 'Stop databases and keep them stopped'),
  actionCommand('restart', 'Stop databases, start them and wait until they run'),
  command({
    words: ['databases', 'sleep'],
    summary: 'End the processes of databases until the next request',
    positionals: NAMES,
    options: {
      force: {
        type: 'boolean',
        default: false,
        describe: 'Close connections without a request in progress, also of realtime clients',
      },
      ...COMMON,
    },
    async run(args, context) {
      const { actOnDatabases } = await import('./databases-actions.ts');
      return actOnDatabases('sleep', args, context);
    },
  }),
  actionCommand('wake', 'Start databases that sleep and wait until they run'),
  command({
    words: ['databases', 'pin'],
    summary: 'Run a database with its own version of PocketBase, or with that of the fleet again',
    positionals: {
      ...NAME,
      release: { type: 'string', describe: "Installed version, see 'fathomd pocketbase list'" },
    },
    options: {
      fleet: { type: 'boolean', default: false, describe: 'Use the version of the fleet' },
      'without-backup': {
        type: 'boolean',
        default: false,
        describe: 'Also pin when the backup before it fails',
      },
      ...COMMON,
    },
    async run(args, context) {
      const { pinDatabase } = await import('./databases-actions.ts');
      return pinDatabase(args, context);
    },
  }),
  command({
    words: ['databases', 'move'],
    summary: 'Move a database to another node of the cluster',
    positionals: {
      ...NAME,
      node: { type: 'string', demandOption: true, describe: "Name of the node, see 'nodes list'" },
    },
    options: COMMON,
    async run(args, context) {
      const { moveDatabase } = await import('./move-action.ts');
      return moveDatabase(args, context);
    },
  }),
  command({
    words: ['databases', 'archive'],
    summary: 'Move the files of a database into a backup until its next use; asks for the name',
    positionals: NAME,
    options: { yes: { type: 'boolean', default: false, describe: 'Do not ask' }, ...COMMON },
    async run(args, context) {
      const { archiveDatabase } = await import('./archive-action.ts');
      return archiveDatabase(args, context);
    },
  }),
  command({
    words: ['databases', 'delete'],
    summary: 'Move a database to the trash; asks for the name, or reads it from stdin',
    positionals: NAME,
    options: COMMON,
    async run(args, context) {
      const { deleteDatabase } = await import('./databases-actions.ts');
      return deleteDatabase(args, context);
    },
  }),
  command({
    words: ['databases', 'undelete'],
    summary: 'Bring back a deleted database, with its account',
    positionals: NAME,
    options: COMMON,
    async run(args, context) {
      const { undeleteDatabase } = await import('./trash-actions.ts');
      return undeleteDatabase(args, context);
    },
  }),
  command({
    words: ['databases', 'erase'],
    summary: 'Erase a deleted database and its backups now; asks for the name, or reads it from stdin',
    positionals: NAME,
    options: COMMON,
    async run(args, context) {
      const { eraseDatabase } = await import('./trash-actions.ts');
      return eraseDatabase(args, context);
    },
  }),
  logsCommand(['databases', 'logs']),
  logsCommand(['logs']),
  command({
    words: ['migrations', 'status'],
    summary: 'Show the migrations of user databases, and why they are refused',
    options: { ...CHECK_OPTION, ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { showMigrations } = await import('./migrations-action.ts');
      return showMigrations(args, context);
    },
  }),
];
