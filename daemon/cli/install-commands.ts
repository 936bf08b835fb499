import { command } from './command.ts';

/** Fathom as a service of this host; for root. */
export const installCommands = [
  command({
    words: ['install'],
    summary: 'install this package as a service of systemd',
    async run(_args, context) {
      const actions = await import('./install-actions.ts');
      return actions.install(context);
    },
  }),
  command({
    words: ['upgrade'],
    summary: 'change to another release, and back by itself if that does not become ready, or ends soon',
    positionals: { tarball: { type: 'string', demandOption: true, describe: "made by 'npm pack'" } },
    async run(args, context) {
      const actions = await import('./install-actions.ts');
      return actions.upgrade(args.tarball, context);
    },
  }),
  command({
    words: ['rollback'],
    summary: 'change to the release that was installed before',
    async run(_args, context) {
      const actions = await import('./install-actions.ts');
      return actions.rollback(context);
    },
  }),
  command({
    words: ['uninstall'],
    summary: 'stop the fleet and remove the program; the data stays',
    options: {
      purge: { type: 'boolean', default: false, describe: 'remove all data, settings and secrets as well' },
    },
    async run(args, context) {
      const actions = await import('./install-actions.ts');
      return actions.uninstall(args, context);
    },
  }),
];
