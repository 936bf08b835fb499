import { CHECK_OPTION, command, JSON_OPTION, SETTINGS_OPTIONS, TABLE_OPTIONS } from './command.ts';

const COMMON = { ...SETTINGS_OPTIONS, ...JSON_OPTION } as const;

/** On this host, with or without a daemon. */
export const pocketbaseCommands = [
  command({
    words: ['pocketbase', 'list'],
    summary: 'which versions of PocketBase are here, which one is chosen, and what runs each',
    options: { ...SETTINGS_OPTIONS, ...CHECK_OPTION, ...TABLE_OPTIONS },
    async run(args, context) {
      const { listVersions } = await import('./pocketbase-actions.ts');
      return listVersions({ ...args, envFile: args['env-file'], dataDir: args['data-dir'] }, context);
    },
  }),
  command({
    words: ['pocketbase', 'install'],
    summary:
      'download a release of PocketBase, check its SHA-256 and put it beside the others; choosing it is a setting',
    positionals: { release: { type: 'string', demandOption: true, describe: 'its version, like 0.40.1' } },
    options: {
      from: {
        type: 'string',
        requiresArg: true,
        describe: "https address of a copy of PocketBase's releases (default: GitHub)",
      },
      ...COMMON,
    },
    async run(args, context) {
      const { installPocketBase } = await import('./pocketbase-actions.ts');
      return installPocketBase({ ...args, envFile: args['env-file'], dataDir: args['data-dir'] }, context);
    },
  }),
];
