import { CHECK_OPTION, command, JSON_OPTION, SETTINGS_OPTIONS, TABLE_OPTIONS } from '../command.ts';

const COMMON = { ...SETTINGS_OPTIONS, ...JSON_OPTION } as const;

/** Commands for this host. They need no daemon. */
export const pocketbaseCommands = [
  command({
    words: ['pocketbase', 'list'],
    summary: 'List the installed releases of PocketBase and which instances run them',
    options: { ...SETTINGS_OPTIONS, ...CHECK_OPTION, ...TABLE_OPTIONS },
    async run(args, context) {
      const { listVersions } = await import('./pocketbase-actions.ts');
      return listVersions({ ...args, envFile: args['env-file'], dataDir: args['data-dir'] }, context);
    },
  }),
  command({
    words: ['pocketbase', 'install'],
    summary: 'Download a release of PocketBase and check its SHA-256; PB_BINARY_PATH selects it',
    positionals: { release: { type: 'string', demandOption: true, describe: 'Version, like 0.40.1' } },
    options: {
      from: {
        type: 'string',
        requiresArg: true,
        describe: "HTTPS address of a mirror of PocketBase's releases (default: GitHub)",
      },
      ...COMMON,
    },
    async run(args, context) {
      const { installPocketBase } = await import('./pocketbase-actions.ts');
      return installPocketBase({ ...args, envFile: args['env-file'], dataDir: args['data-dir'] }, context);
    },
  }),
];
