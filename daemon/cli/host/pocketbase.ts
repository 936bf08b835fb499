import { CHECK_OPTION, command, JSON_OPTION, SETTINGS_OPTIONS, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

const COMMON = { ...SETTINGS_OPTIONS, ...JSON_OPTION } as const;

/** Commands for releases of PocketBase. `list` and `install` need no daemon. */
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
    summary: 'Install a release of PocketBase beside the embedded one; PB_BINARY_PATH selects it',
    positionals: {
      release: { type: 'string', describe: 'Version, like 0.40.6 (default: the recommended release)' },
    },
    options: {
      from: {
        type: 'string',
        requiresArg: true,
        describe:
          'Mirror (https), directory or archive to install from; several with commas (default: PB_RELEASES_URL)',
      },
      ...COMMON,
    },
    async run(args, context) {
      const { installPocketBase } = await import('./pocketbase-actions.ts');
      return installPocketBase({ ...args, envFile: args['env-file'], dataDir: args['data-dir'] }, context);
    },
  }),
  command({
    words: ['pocketbase', 'advisories'],
    summary: 'List known vulnerabilities of PocketBase and the instances that have them',
    options: { ...CONNECT_OPTIONS, ...CHECK_OPTION, ...JSON_OPTION },
    async run(args, context) {
      const { listAdvisories } = await import('./pocketbase-advisories.ts');
      return listAdvisories(args, context);
    },
  }),
];
